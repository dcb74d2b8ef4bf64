-- What a person settled in the panel about the hall and its box. It counts above gateway.toml, which
-- belongs to root: a service that could write its own configuration could be made to.

create table upkeep_setting (
    -- 'hall' (JSON of name and opening hours), 'alarm-tested' or 'confirmed.<step>'
    name text primary key,
    value text not null,
    set_ms integer not null,
    -- staff number
    set_by text not null
) strict, without rowid;
