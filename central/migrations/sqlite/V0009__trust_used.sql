-- When a hall first came with a certificate: only then does the one before it begin to end. Those
-- there are were in use.
alter table trust_certificate add column used_ms integer;
update trust_certificate set used_ms = issued_ms;
