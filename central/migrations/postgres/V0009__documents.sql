-- What flows down to halls, as sqlite/V0007__documents.sql tells it. Not spread over machines: one
-- tree, asked by all.
create table documents_document (
    family text collate "C" not null,
    scope text collate "C" not null,
    id text collate "C" not null,
    change bigint not null unique,
    content text,
    primary key (family, scope, id)
);
create index documents_document_of_scope on documents_document (scope, change);
create table documents_version (
    change bigint primary key,
    family text collate "C" not null,
    scope text collate "C" not null,
    id text collate "C" not null,
    content text,
    at_ms bigint not null,
    who text not null
);
create index documents_version_of_document on documents_version (family, scope, id, change);
create table documents_place (
    node text collate "C" primary key,
    parent text collate "C",
    is_hall boolean not null
);
create index documents_place_below on documents_place (parent);
create table documents_proposal (
    store text collate "C" not null,
    id text collate "C" not null,
    received_ms bigint not null,
    proposal text not null,
    state text not null,
    reason text,
    decided_by text,
    decided_ms bigint,
    primary key (store, id)
);
create index documents_proposal_open on documents_proposal (state, received_ms);
