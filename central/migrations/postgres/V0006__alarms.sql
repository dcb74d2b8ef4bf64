-- Alarms that stand in the halls, as their devices raised them; what is over is deleted.

create table alarms_alarm (
    store text collate "C" not null,
    device text collate "C" not null,
    alarm text collate "C" not null,
    severity text not null,
    text text,
    since_ms bigint not null,
    primary key (store, device, alarm)
);
