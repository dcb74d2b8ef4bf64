-- People who may sign in, their sessions, and the audit log.
-- Times are milliseconds since 1970 of the real clock: sign-ins are never replayed.

create table people_account (
    staff text primary key,
    name text not null,
    -- JSON list of role names
    roles text not null,
    -- PHC string; null until a password is set
    password_hash text,
    must_change_password integer not null default 0,
    active integer not null default 1,
    created_ms integer not null,
    last_seen_ms integer
) strict;

create table people_session (
    -- SHA-256 of the cookie: the table alone opens no session
    token_hash blob primary key,
    staff text not null references people_account (staff),
    created_ms integer not null,
    seen_ms integer not null
) strict;

create index people_session_staff on people_session (staff);

-- Each row carries the hash of the row before it, so that a change or a gap shows.
create table people_audit (
    id integer primary key,
    at_ms integer not null,
    who text not null,
    address text not null,
    action text not null,
    detail text not null,
    hash blob not null
) strict;

create trigger people_audit_is_kept before delete on people_audit
begin
    select raise(abort, 'the audit log is append-only');
end;

create trigger people_audit_is_not_changed before update on people_audit
begin
    select raise(abort, 'the audit log is append-only');
end;
