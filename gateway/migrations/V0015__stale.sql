-- 1: of before a beginning afresh, in force until all of what is new has come.
alter table documents_document add column stale integer not null default 0;
