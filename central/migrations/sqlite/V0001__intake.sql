-- What has arrived from halls, so that everything is in effect once however often it is sent.
-- An epoch is one life of a hall's outbox; its lanes are numbered apart.

create table intake_cursor (
    store text not null,
    epoch integer not null,
    lane text not null,
    -- highest item on this disk; the next one wanted is the one after it
    committed integer not null,
    -- the digests of items from here on are in intake_item
    kept_from integer not null,
    batches integer not null default 0,
    items integer not null default 0,
    duplicates integer not null default 0,
    last_ms integer not null,
    primary key (store, epoch, lane)
) strict, without rowid;

-- The newest items one by one. The key is the promise "once in effect": an item that is already
-- here cannot be taken a second time, whatever the cursor says. The digest tells it from what
-- another box with the same disk sends under its number.
create table intake_item (
    store text not null,
    epoch integer not null,
    lane text not null,
    seq integer not null,
    digest integer not null,
    primary key (store, epoch, lane, seq)
) strict, without rowid;

-- Items that could not be kept. The hall tries three times, then sets its own copy aside and says
-- so in a word under the same number.
create table intake_dead_letter (
    id integer primary key,
    store text not null,
    epoch integer not null,
    lane text not null,
    seq integer not null,
    received_ms integer not null,
    reason text not null,
    -- the first 64 KiB
    body blob not null,
    size integer not null,
    tries integer not null default 1,
    set_aside integer not null default 0,
    unique (store, epoch, lane, seq)
) strict;

create index intake_dead_letter_store on intake_dead_letter (store, id);
