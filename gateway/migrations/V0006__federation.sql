-- What waits to be sent to the centre, in order. A row is deleted only after the centre said
-- that it has it on disk.

create table federation_outbox (
    -- autoincrement: a number is never given twice, also when the table is empty
    seq integer primary key autoincrement,
    created_ms integer not null,
    body text not null
) strict;
