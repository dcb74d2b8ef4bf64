-- The way to the centre: what waits, how far each lane is, and what the centre refused.

-- How far each lane is. born: what was settled when the epoch began; claim, parent: what the centre
-- had then, and in which epoch it was settled; settled: what the centre has on disk; given: the
-- last number, which never goes back.
create table federation_line (
    lane text primary key check (lane in ('live', 'history')),
    born integer not null default 0,
    claim integer not null default 0,
    parent integer,
    settled integer not null default 0,
    given integer not null default 0
) strict, without rowid;

insert into federation_line (lane) values ('live'), ('history');

-- What waits to be sent, in order, and behind it what was settled last: if the centre is restored
-- from a backup, it is sent again.
create table federation_outbox (
    lane text not null,
    seq integer not null,
    created_ms integer not null,
    body text not null,
    primary key (lane, seq)
) strict, without rowid;

-- What the centre was told of each alarm last.
create table federation_alarm (
    device text not null,
    alarm text not null,
    severity text not null,
    text text not null,
    primary key (device, alarm)
) strict, without rowid;

-- Items the centre refused too often. A word in their place went up under their number.
create table federation_dead_letter (
    id integer primary key autoincrement,
    lane text not null,
    seq integer not null,
    created_ms integer not null,
    set_aside_ms integer not null,
    reason text not null,
    body text not null,
    -- when a person had it sent again
    sent_again_ms integer
) strict;
