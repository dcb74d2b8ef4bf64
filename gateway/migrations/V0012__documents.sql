-- What the centre gave this hall to keep, and what the hall proposes to it.

-- As they stand; what was taken back is deleted.
create table documents_document (
    family text not null,
    -- the unit or hall it is for
    scope text not null,
    id text not null,
    change integer not null,
    -- JSON
    content text not null,
    taken_ms integer not null,
    -- why this program cannot use it; null when it can
    unread text,
    primary key (family, scope, id)
) strict, without rowid;

create table documents_state (
    one integer primary key check (one = 1),
    life integer not null,
    change integer not null,
    -- when the centre answered last
    reached_ms integer,
    -- when it last had something new
    changed_ms integer
) strict;
insert into documents_state values (1, 0, 0, null, null);

-- What people of the hall proposed.
create table documents_proposal (
    id text primary key,
    made_ms integer not null,
    made_by text not null,
    -- JSON as it was sent
    proposal text not null,
    -- 'open', 'accepted' or 'declined'
    state text not null,
    reason text,
    decided_ms integer
) strict, without rowid;

-- Who has read which announcement, in which version.
create table documents_seen (
    staff text not null,
    change integer not null,
    seen_ms integer not null,
    primary key (staff, change)
) strict, without rowid;

-- Opening hours of single days, which are the hall's own (X-24).
create table documents_day (
    day text primary key,
    opens text not null,
    closes text not null,
    set_by text not null,
    set_ms integer not null
) strict, without rowid;
