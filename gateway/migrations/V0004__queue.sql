-- Tickets, counters and ratings as the journal makes them, and the sums over them.
-- All can be made again from the journal. Times are milliseconds since 1970.

create table queue_ticket (
    day text not null,
    number text not null,
    -- the whole ticket as JSON; the columns repeat what is searched and sorted by
    ticket text not null,
    state text not null,
    queue text,
    class text not null,
    counter text,
    staff text,
    issued_ms integer,
    waiting_since_ms integer,
    called_ms integer,
    started_ms integer,
    ended_ms integer,
    waiting_s integer,
    handling_s integer,
    rating integer,
    flagged integer not null,
    primary key (day, number)
) strict, without rowid;

create index queue_ticket_state on queue_ticket (day, state);

-- Who was served where and when, so that a rating finds its ticket also after a transfer.
create table queue_leg (
    counter text not null,
    started_ms integer not null,
    day text not null,
    number text not null,
    ended_ms integer,
    primary key (counter, started_ms, day, number)
) strict, without rowid;

create index queue_leg_ticket on queue_leg (day, number);

-- The trail of a ticket: every event, and what was odd about it.
create table queue_event (
    day text not null,
    number text not null,
    journal_id integer not null,
    flag text,
    primary key (day, number, journal_id)
) strict, without rowid;

create table queue_counter (
    counter text primary key,
    -- 0: nobody has told its state yet, only that a ticket was called there
    heard integer not null,
    state text not null,
    since_ms integer not null,
    staff text,
    ticket_day text,
    ticket_number text,
    -- when that ticket was called to it
    ticket_ms integer
) strict;

-- Days whose books were closed, and when. What arrives later finds its day closed.
create table queue_day (
    day text primary key,
    closed_ms integer not null
) strict;

-- Every press of a pad. Those bound to no ticket are set aside, not lost.
create table queue_rating (
    journal_id integer primary key,
    at_ms integer not null,
    score integer not null,
    counter text,
    staff text,
    ticket_day text,
    ticket_number text,
    flag text
) strict;

-- Sums per quarter hour. version: of the last statement sent up; 0 = none yet.
-- dirty: changed since.
create table queue_quarter (
    slot_ms integer not null,
    queue text not null,
    class text not null,
    day text not null,
    version integer not null default 0,
    dirty integer not null default 1,
    sums text not null,
    primary key (slot_ms, queue, class)
) strict, without rowid;

create index queue_quarter_day on queue_quarter (day);
create index queue_quarter_dirty on queue_quarter (dirty) where dirty = 1;

create table queue_counter_day (
    day text not null,
    counter text not null,
    -- '' for time nobody was signed on
    staff text not null,
    version integer not null default 0,
    dirty integer not null default 1,
    sums text not null,
    primary key (day, counter, staff)
) strict, without rowid;

create index queue_counter_day_dirty on queue_counter_day (dirty) where dirty = 1;

-- Quarter hours the hall watched to their end.
create table queue_hall_quarter (
    slot_ms integer primary key
) strict;
