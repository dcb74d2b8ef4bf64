-- What leaves the box, and what had to leave before its time.

-- Where the journal was on each day the box ran. Ages are counted in these days and not by the
-- clock, so that a clock that jumps deletes nothing.
create table retention_mark (
    -- day of running, 0 is the first
    day integer primary key,
    -- last ids on that day
    report integer not null,
    request integer not null
) strict;

-- What went before its ordinary age because the database had its share of the disk.
create table retention_dropped (
    -- 'settled', 'report', 'command', 'letter' or 'unsent'
    what text primary key,
    rows integer not null,
    since_ms integer not null,
    last_ms integer not null
) strict, without rowid;
