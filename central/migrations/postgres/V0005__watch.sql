-- One row probes write again and again: proof that commits reach the disk.

create table watch_probe (
    id bigint primary key check (id = 1),
    at_ms bigint not null
);
