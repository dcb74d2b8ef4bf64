-- Alarms that stand in the halls, as their devices raised them; what is over is deleted.

create table alarms_alarm (
    store text not null,
    device text not null,
    alarm text not null,
    severity text not null,
    text text,
    -- when it was raised first, by the hall's clock
    since_ms integer not null,
    primary key (store, device, alarm)
) strict, without rowid;
