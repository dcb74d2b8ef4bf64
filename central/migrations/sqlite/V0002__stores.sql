-- The halls the centre knows, with what each said last about itself.
-- Times are milliseconds since 1970 of the centre's clock, unless said otherwise.

create table stores_store (
    store text primary key,
    -- JSON of the hall's profile; null until it came
    profile text,
    first_seen_ms integer not null,
    last_seen_ms integer,
    -- first day it has facts of, in days since 1970
    first_day integer,
    -- when two boxes were last seen to speak for it
    twin_ms integer,
    version text,
    backlog integer,
    oldest_unsent_s integer,
    -- the hall's clock at its last heartbeat
    heartbeat_ms integer,
    -- JSON of the live snapshot in the last heartbeat; null when it had none
    live text
) strict, without rowid;

-- The epochs of each hall in the order they were first heard of. What is said in a later one wins.
create table stores_life (
    store text not null,
    epoch integer not null,
    life integer not null,
    first_ms integer not null,
    last_ms integer not null,
    -- number of the last heartbeat
    beat integer not null default 0,
    primary key (store, epoch)
) strict, without rowid;

create unique index stores_life_order on stores_life (store, life);
