-- The air of the hall (F-32). Times are milliseconds since 1970.

create table climate_latest (
    device text primary key,
    at_ms integer not null,
    temperature_tenths integer not null,
    humidity_tenths integer
) strict;

-- Sums over five minutes; a mean over five minutes is what the band is judged by.
create table climate_window (
    device text not null,
    start_ms integer not null,
    samples integer not null,
    temperature_sum_tenths integer not null,
    primary key (device, start_ms)
) strict, without rowid;

-- Quarter hours stated up: version of the last statement, and whether more came since.
create table climate_quarter (
    device text not null,
    slot_ms integer not null,
    version integer not null default 0,
    dirty integer not null default 1,
    primary key (device, slot_ms)
) strict, without rowid;

create index climate_quarter_dirty on climate_quarter (dirty) where dirty = 1;
