-- Devices that ask to join the hall, and what became of it.

create table joining_claim (
    id integer primary key,
    serial text not null,
    -- SHA-256 of what only this device knows
    token_hash blob not null,
    -- what the device says of itself: JSON of its identity, kind and wished id
    said text not null,
    address text not null,
    -- shown on the device, typed by the person
    code text not null,
    wrong_codes integer not null default 0,
    -- 'pending', 'clash' (its serial is known under another token), 'approved', 'refused'
    state text not null,
    -- the device it became
    device text,
    asked_ms integer not null,
    decided_ms integer,
    decided_by text,
    reason text,
    -- when it fetched its credential for the first time
    collected_ms integer
) strict;

create index joining_claim_serial on joining_claim (serial);
