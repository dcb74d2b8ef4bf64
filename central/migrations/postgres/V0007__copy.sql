-- Whether this database was filled from SQLite: 'copying' while that goes on or was broken off, then
-- 'done'. Nobody may work on half a copy.

create table central_copy (
    state text not null check (state in ('copying', 'done'))
);
