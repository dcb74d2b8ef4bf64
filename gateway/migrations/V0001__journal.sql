-- The journal: every report a device made, in the order it arrived here, never changed.
-- All times are milliseconds since 1970.

create table journal_report (
    -- order of arrival; followers keep the last id they have seen
    id integer primary key,
    received_ms integer not null,
    -- of journal_device; not a foreign key, because checking it costs as much as an index
    device integer not null,
    -- the report of the same device before this one; null for its first
    previous integer,
    kind text not null,
    -- the device's own number; null for devices that do not number their reports
    boot text,
    seq integer,
    -- when it happened: the device's time, or ours where the device has none or a wrong one
    time_ms integer not null,
    -- 0 ok, 1 late (historical), 2 the device's clock cannot be right
    clock integer not null,
    -- as received, byte for byte
    payload blob not null
) strict;

-- Devices that reported, and where the chain of each one's reports begins: an index over all
-- reports by device would cost as much as writing them.
create table journal_device (
    id integer primary key,
    name text not null unique,
    last_report integer
) strict;

-- Which numbers of a (device, boot) have arrived: ranges, as one small row instead of an index
-- over every report. This is what makes a report that comes twice one report.
create table journal_seen (
    device integer not null,
    boot text not null,
    ranges text not null,
    -- the device's newest report when they were last used; they go when it has gone
    last_report integer,
    primary key (device, boot)
) strict, without rowid;

-- The last unnumbered reports by MQTT packet id, to know a redelivery when it comes.
create table journal_unnumbered (
    device integer not null,
    packet_slot integer not null,
    -- of kind, packet id and payload
    digest blob not null,
    received_ms integer not null,
    primary key (device, packet_slot)
) strict, without rowid;

-- What could not be understood, with its bytes and the reason.
create table journal_dead_letter (
    id integer primary key,
    received_ms integer not null,
    door text not null,
    device text,
    topic text,
    reason_code text not null,
    reason text not null,
    -- at most 64 KiB of it
    payload blob not null,
    -- of the whole payload, in bytes
    size integer not null
) strict;

create table journal_follower (
    name text primary key,
    position integer not null
) strict;

-- Single values: the epoch, counters of what was dropped.
create table journal_value (
    name text primary key,
    value integer not null
) strict;
