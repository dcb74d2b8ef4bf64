-- What has arrived from halls, so that everything is in effect once however often it is sent.
-- Numbers of items start again with each epoch (one life of a hall's database).

create table intake_cursor (
    store text not null,
    epoch integer not null,
    -- highest item on this disk; the next one wanted is the one after it
    committed integer not null,
    -- items below this are proved by the cursor alone and no longer in intake_item
    kept_from integer not null,
    batches integer not null default 0,
    items integer not null default 0,
    duplicates integer not null default 0,
    dead_letters integer not null default 0,
    last_ms integer not null,
    primary key (store, epoch)
) strict, without rowid;

-- The newest items one by one. The key is the promise "once in effect": an item that is already
-- here cannot be taken a second time, whatever the cursor says.
create table intake_item (
    store text not null,
    epoch integer not null,
    seq integer not null,
    primary key (store, epoch, seq)
) strict, without rowid;

-- Items that could not be read: the line goes on, the bytes stay for a person.
create table intake_dead_letter (
    id integer primary key,
    store text not null,
    epoch integer not null,
    seq integer not null,
    received_ms integer not null,
    reason text not null,
    -- the first 64 KiB
    body blob not null,
    size integer not null
) strict;

create index intake_dead_letter_store on intake_dead_letter (store, id);
