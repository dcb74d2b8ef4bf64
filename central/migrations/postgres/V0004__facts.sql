-- Facts and their roll-up; what the columns mean is said in migrations/sqlite. Each table is kept
-- month by month, so that a question reads only its months and an old month can be detached whole.
-- There is no default partition: what has no month made for it is an error, never out of sight.

create table facts_queue_quarter (
    store text collate "C" not null,
    day bigint not null,
    slot bigint not null,
    queue text collate "C" not null,
    class text collate "C" not null,
    version bigint not null,
    issued bigint not null,
    called bigint not null,
    started bigint not null,
    finished bigint not null,
    no_show bigint not null,
    transferred bigint not null,
    cancelled bigint not null,
    abandoned bigint not null,
    waiting bytea not null,
    handling bytea not null,
    rating_1 bigint not null,
    rating_2 bigint not null,
    rating_3 bigint not null,
    rating_4 bigint not null,
    rating_5 bigint not null,
    primary key (store, day, slot, queue, class)
) partition by range (day);

create table facts_hall_quarter (
    store text collate "C" not null,
    day bigint not null,
    slot bigint not null,
    version bigint not null,
    waiting_at_end bigint not null,
    in_hall_at_end bigint not null,
    counters_open_at_end bigint not null,
    primary key (store, day, slot)
) partition by range (day);

create table facts_counter_day (
    store text collate "C" not null,
    day bigint not null,
    counter text collate "C" not null,
    staff text collate "C" not null,
    version bigint not null,
    open_s bigint not null,
    busy_s bigint not null,
    break_s bigint not null,
    serving_s bigint not null,
    finished bigint not null,
    no_show bigint not null,
    rating_1 bigint not null,
    rating_2 bigint not null,
    rating_3 bigint not null,
    rating_4 bigint not null,
    rating_5 bigint not null,
    primary key (store, day, counter, staff)
) partition by range (day);

create table facts_climate_quarter (
    store text collate "C" not null,
    day bigint not null,
    slot bigint not null,
    device text collate "C" not null,
    version bigint not null,
    measured_min bigint not null,
    in_band_min bigint not null,
    samples bigint not null,
    temperature_sum_tenths bigint not null,
    primary key (store, day, slot, device)
) partition by range (day);

create table facts_hall_day (
    store text collate "C" not null,
    day bigint not null,
    issued bigint not null,
    called bigint not null,
    started bigint not null,
    finished bigint not null,
    no_show bigint not null,
    transferred bigint not null,
    cancelled bigint not null,
    abandoned bigint not null,
    waiting bytea not null,
    handling bytea not null,
    rating_1 bigint not null,
    rating_2 bigint not null,
    rating_3 bigint not null,
    rating_4 bigint not null,
    rating_5 bigint not null,
    climate_measured_min bigint not null,
    climate_in_band_min bigint not null,
    slots bytea not null,
    issued_slots bytea not null,
    primary key (store, day)
) partition by range (day);

-- Makes the partitions of the month a day is in, such as facts_hall_day_2020_01. A table is made
-- first and attached then: that stops nobody who writes into other months meanwhile.
create function facts_make_room(of_day bigint) returns void language plpgsql as $$
declare
    epoch constant date := '1970-01-01';
    first constant date := date_trunc('month', (epoch + of_day::integer)::timestamp)::date;
    next constant date := (first + interval '1 month')::date;
    tables constant text[] := array['facts_queue_quarter', 'facts_hall_quarter',
        'facts_counter_day', 'facts_climate_quarter', 'facts_hall_day'];
    parent text;
    part text;
begin
    -- The last of them is there: all are.
    if to_regclass('facts_hall_day' || to_char(first, '_YYYY_MM')) is not null then
        return;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('facts_make_room', 0));
    foreach parent in array tables loop
        part := parent || to_char(first, '_YYYY_MM');
        continue when to_regclass(part) is not null;
        execute format('create table %I (like %I including all)', part, parent);
        execute format('alter table %I attach partition %I for values from (%s) to (%s)',
            parent, part, first - epoch, next - epoch);
    end loop;
end
$$;
