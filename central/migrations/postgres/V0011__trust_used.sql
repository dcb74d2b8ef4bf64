-- As sqlite/V0007__trust_used.sql tells it.
alter table trust_certificate add column used_ms bigint;
update trust_certificate set used_ms = issued_ms;
