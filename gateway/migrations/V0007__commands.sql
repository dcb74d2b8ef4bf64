-- Commands to devices: asked for, handed over, ended. Kept as the log of what the hall told them.

create table commands_command (
    id integer primary key,
    device text not null,
    -- 'display', 'restart' or 'power'
    kind text not null,
    -- JSON
    body text not null,
    -- 'init', 'executing', 'successful' or 'failed'
    state text not null default 'init',
    -- why it failed
    reason text,
    -- the same in one word
    failure text,
    -- staff number, or 'hall'
    asked_by text not null,
    asked_ms integer not null,
    expires_ms integer not null,
    ended_ms integer,
    attempts integer not null default 0,
    -- its device's topic may still hold it
    on_topic integer not null default 0
) strict;

create index commands_open on commands_command (id) where ended_ms is null;
create index commands_device on commands_command (device, id);
create index commands_on_topic on commands_command (id) where on_topic;
