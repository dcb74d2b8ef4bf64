-- Why a command was not done, in one word; `reason` says more, for people who know the device.

alter table commands_command add column failure text;
