-- What flows down to halls, and the organization it flows along.
-- A change has a number greater than every one before it, and of a time: a database that was put
-- back never gives one again, so a hall that followed further is known by a number nobody gave.

-- Every document as it stands; one that was taken back keeps its row without content, so that halls
-- that missed it hear of it.
create table documents_document (
    family text not null,
    -- the unit or hall it is for
    scope text not null,
    id text not null,
    change integer not null unique,
    -- JSON
    content text,
    primary key (family, scope, id)
) strict, without rowid;
create index documents_document_of_scope on documents_document (scope, change);

-- Every version there was: who, when, what. Never deleted.
create table documents_version (
    change integer primary key,
    family text not null,
    scope text not null,
    id text not null,
    content text,
    at_ms integer not null,
    -- staff number
    who text not null
) strict;
create index documents_version_of_document on documents_version (family, scope, id, change);

-- The tree: units, and the halls below them. One name space, so that a scope is either.
create table documents_place (
    node text primary key,
    parent text,
    is_hall integer not null
) strict, without rowid;
create index documents_place_below on documents_place (parent);

-- What halls propose. Decided ones are kept.
create table documents_proposal (
    store text not null,
    id text not null,
    received_ms integer not null,
    -- JSON as the hall sent it
    proposal text not null,
    -- 'open', 'accepted' or 'declined'
    state text not null,
    reason text,
    decided_by text,
    decided_ms integer,
    primary key (store, id)
) strict, without rowid;
create index documents_proposal_open on documents_proposal (state, received_ms);
