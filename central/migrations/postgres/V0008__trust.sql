-- Who belongs to the fleet, as sqlite/V0006__trust.sql tells it: codes a hall comes with once, and
-- certificates it comes with from then on. Not spread over machines: every door asks for all.
create table trust_code (
    store text collate "C" primary key,
    secret_hash bytea not null,
    made_ms bigint not null,
    made_by text not null,
    until_ms bigint not null,
    used_ms bigint,
    used_key bytea
);

create table trust_certificate (
    digest bytea primary key,
    store text collate "C" not null,
    public_key bytea not null,
    issued_ms bigint not null,
    until_ms bigint not null,
    revoked_ms bigint,
    revoked_by text,
    reason text,
    changed_ms bigint not null
);
create index trust_certificate_of_store on trust_certificate (store, issued_ms);
create index trust_certificate_changed on trust_certificate (changed_ms);
