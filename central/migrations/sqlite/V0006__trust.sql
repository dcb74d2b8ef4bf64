-- Who belongs to the fleet. A code is what a hall comes with once; a certificate is what it comes
-- with from then on, and holds the key its messages are signed with. Rows of certificates are kept
-- after their end, so that a box that was shut out is named when it comes again.
create table trust_code (
    store text primary key,
    -- SHA-256 of store, a zero byte and the secret; the secret itself is shown once and not kept.
    secret_hash blob not null,
    made_ms integer not null,
    made_by text not null,
    until_ms integer not null,
    used_ms integer,
    -- The key that came with it: the same may come again when the answer was lost.
    used_key blob
) strict;

create table trust_certificate (
    -- SHA-256 of the certificate.
    digest blob primary key,
    store text not null,
    public_key blob not null,
    issued_ms integer not null,
    until_ms integer not null,
    -- Set when a person shut it out, or another box took the hall's place.
    revoked_ms integer,
    revoked_by text,
    reason text,
    -- When this row changed last, for processes beside this one.
    changed_ms integer not null
) strict;
create index trust_certificate_of_store on trust_certificate (store, issued_ms);
create index trust_certificate_changed on trust_certificate (changed_ms);
