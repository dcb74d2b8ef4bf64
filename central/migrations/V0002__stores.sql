-- The halls the centre knows, with what each said last about itself.
-- Times are milliseconds since 1970 of the centre's clock, unless said otherwise.

create table stores_store (
    store text primary key,
    -- JSON of the hall's profile; null until it came
    profile text,
    first_seen_ms integer not null,
    last_seen_ms integer,
    -- the life of the hall's database that spoke last
    epoch integer,
    version text,
    backlog integer,
    oldest_unsent_s integer,
    -- the hall's clock at its last heartbeat
    heartbeat_ms integer,
    -- JSON of the live snapshot in the last heartbeat; null when it had none
    live text
) strict, without rowid;
