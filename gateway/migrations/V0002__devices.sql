-- Devices of the hall, and what is known of them.

create table devices_device (
    device text primary key,
    kind text not null,
    name text not null,
    -- the counter it stands at
    counter text,
    -- 'mqtt' or the wired driver's name
    driver text not null,
    -- SHA-256 of its secret; null for wired devices
    secret_hash blob,
    state text not null default 'active',
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
