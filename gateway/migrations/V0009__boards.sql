-- Signs over counters: whether they are there, and whether they are to be told again what counts.

create table boards_sign (
    sign text primary key,
    is_down integer not null default 0,
    -- since when it is back, or is heard of, until it is told
    back_ms integer,
    -- the command by which it was told again last
    told integer
) strict, without rowid;
