-- The sum of each row's content, by which it is known to be what was written; null in rows from before.

alter table journal_report add column sum integer;
alter table federation_outbox add column sum integer;
