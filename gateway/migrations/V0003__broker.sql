-- The last retained MQTT message of each topic. The router keeps none: it loses them on restart.

create table broker_retained (
    topic text primary key,
    -- whose topic it is; null for topics of the hall itself
    device text,
    payload blob not null,
    qos integer not null,
    stored_ms integer not null
) strict, without rowid;

create index broker_retained_device on broker_retained (device);
