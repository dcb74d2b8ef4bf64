-- People who may sign in, their sessions, and the audit log, as config/kernel/migrations has them
-- for SQLite. Texts are ordered by their bytes in all tables, as SQLite does.

create table people_account (
    staff text collate "C" primary key,
    name text not null,
    roles text not null,
    password_hash text,
    must_change_password boolean not null default false,
    active boolean not null default true,
    created_ms bigint not null,
    last_seen_ms bigint
);

create table people_session (
    token_hash bytea primary key,
    staff text collate "C" not null references people_account (staff),
    created_ms bigint not null,
    seen_ms bigint not null
);

create index people_session_staff on people_session (staff);

create table people_audit (
    id bigint primary key,
    at_ms bigint not null,
    who text not null,
    address text not null,
    action text not null,
    detail text not null,
    hash bytea not null
);

create function people_audit_stays() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is append-only';
end
$$;

create trigger people_audit_stays before update or delete or truncate on people_audit
    for each statement execute function people_audit_stays();
