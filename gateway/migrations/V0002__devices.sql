-- Devices of the hall, and what is known of them.

create table devices_device (
    device text primary key,
    kind text not null,
    name text not null,
    -- the counter it stands at
    counter text,
    -- 'mqtt' or the wired driver's name
    driver text not null,
    -- JSON of a wired device's settings; null for the others
    settings text,
    -- 'file': gateway.toml owns it; 'panel': a person added it
    source text not null default 'panel',
    -- SHA-256 of its secret; null for wired devices
    secret_hash blob,
    -- JSON list of topic prefixes of one that speaks another form; null for the others
    topics text,
    -- 'active', 'suspended' (waits for a person) or 'retired'
    state text not null default 'active',
    -- code of why it is suspended
    reason text,
    -- who it says it is; a change needs a person's approval (S0-2.5-3b)
    vendor text,
    model text,
    serial text,
    firmware text,
    hardware text,
    mac text,
    -- where it last connected from
    address text,
    created_ms integer not null
) strict;

-- Kept by the follower `devices`.
create table devices_seen (
    device text primary key,
    reports integer not null,
    last_report_ms integer not null,
    clock_suspect integer not null,
    health text,
    health_detail text
) strict;

-- The newest state of each part of a device: what it last said of each kind. Kept by the same.
create table devices_part (
    device text not null,
    kind text not null,
    -- where a kind has several, such as an input
    name text not null,
    time_ms integer not null,
    -- JSON
    state text not null,
    primary key (device, kind, name)
) strict, without rowid;

-- The device file (S4-3.2.7.3): what happened to a device in its life. Never deleted.
create table devices_event (
    id integer primary key,
    device text not null,
    at_ms integer not null,
    -- code, such as 'approved', 'firmware', 'address'
    what text not null,
    detail text not null,
    -- staff number, or 'hall'
    who text not null,
    -- severity, where the hall raises an alarm for it
    alarm text,
    -- whether that alarm is in the journal
    alarm_reported integer not null default 0
) strict;

create index devices_event_device on devices_event (device, id);
create index devices_event_alarm on devices_event (id) where alarm is not null and alarm_reported = 0;

-- Changes a person must grant before the device counts as itself again.
create table devices_request (
    id integer primary key,
    device text not null,
    -- 'identity', 'address', 'third-model' or 'serial-clash'
    what text not null,
    before text not null,
    after text not null,
    -- what takes hold when it is granted: JSON of an identity, or an address
    said text not null,
    asked_ms integer not null,
    -- 'open', 'granted', 'refused' or 'withdrawn'
    state text not null default 'open',
    decided_by text,
    decided_ms integer
) strict;

create unique index devices_request_open on devices_request (device, what) where state = 'open';
