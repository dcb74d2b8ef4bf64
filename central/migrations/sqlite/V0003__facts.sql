-- Facts, one table for each kind, and one roll-up by hall and day that comparisons read.
-- day: days since 1970-01-01. slot: quarter hours since 1970-01-01 00:00 UTC.
-- version: the life of the hall that stated it and the version therein (facts/store/apply.rs).
-- waiting, handling: packed histograms (facts/pack.rs).
-- The store leads every key: that is how the tables are spread over machines one day.

create table facts_queue_quarter (
    store text not null,
    day integer not null,
    slot integer not null,
    queue text not null,
    class text not null,
    version integer not null,
    issued integer not null,
    called integer not null,
    started integer not null,
    finished integer not null,
    no_show integer not null,
    transferred integer not null,
    cancelled integer not null,
    abandoned integer not null,
    waiting blob not null,
    handling blob not null,
    rating_1 integer not null,
    rating_2 integer not null,
    rating_3 integer not null,
    rating_4 integer not null,
    rating_5 integer not null,
    primary key (store, day, slot, queue, class)
) strict, without rowid;

create table facts_hall_quarter (
    store text not null,
    day integer not null,
    slot integer not null,
    version integer not null,
    waiting_at_end integer not null,
    in_hall_at_end integer not null,
    counters_open_at_end integer not null,
    primary key (store, day, slot)
) strict, without rowid;

create table facts_counter_day (
    store text not null,
    day integer not null,
    counter text not null,
    -- empty: nobody was signed on
    staff text not null,
    version integer not null,
    open_s integer not null,
    busy_s integer not null,
    break_s integer not null,
    serving_s integer not null,
    finished integer not null,
    no_show integer not null,
    rating_1 integer not null,
    rating_2 integer not null,
    rating_3 integer not null,
    rating_4 integer not null,
    rating_5 integer not null,
    primary key (store, day, counter, staff)
) strict, without rowid;

create table facts_climate_quarter (
    store text not null,
    day integer not null,
    slot integer not null,
    device text not null,
    version integer not null,
    measured_min integer not null,
    in_band_min integer not null,
    samples integer not null,
    temperature_sum_tenths integer not null,
    primary key (store, day, slot, device)
) strict, without rowid;

-- Sums of the tables above, made anew in the transaction that changes one of them.
create table facts_hall_day (
    store text not null,
    day integer not null,
    issued integer not null,
    called integer not null,
    started integer not null,
    finished integer not null,
    no_show integer not null,
    transferred integer not null,
    cancelled integer not null,
    abandoned integer not null,
    waiting blob not null,
    handling blob not null,
    rating_1 integer not null,
    rating_2 integer not null,
    rating_3 integer not null,
    rating_4 integer not null,
    rating_5 integer not null,
    climate_measured_min integer not null,
    climate_in_band_min integer not null,
    -- one bit for each quarter hour of the day the hall has stated (facts/slots.rs)
    slots blob not null,
    -- tickets issued in each quarter hour that had some, packed
    issued_slots blob not null,
    primary key (store, day)
) strict, without rowid;
