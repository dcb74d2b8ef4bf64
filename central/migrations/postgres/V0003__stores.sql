-- The halls the centre knows; what the columns mean is said in migrations/sqlite.

create table stores_store (
    store text collate "C" primary key,
    profile text,
    first_seen_ms bigint not null,
    last_seen_ms bigint,
    first_day bigint,
    twin_ms bigint,
    version text,
    backlog bigint,
    oldest_unsent_s bigint,
    heartbeat_ms bigint,
    live text
);

create table stores_life (
    store text collate "C" not null,
    epoch bigint not null,
    life bigint not null,
    first_ms bigint not null,
    last_ms bigint not null,
    beat bigint not null default 0,
    primary key (store, epoch),
    unique (store, life)
);
