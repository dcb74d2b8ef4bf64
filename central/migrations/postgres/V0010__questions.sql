-- Questions of people at the centre to halls, as sqlite/V0008__questions.sql tells it. Not spread over
-- machines: every process asks for all that are open.
create table questions_question (
    id bigint primary key,
    store text collate "C" not null,
    asked_ms bigint not null,
    asked_by text not null,
    roles text not null,
    about text not null,
    until_ms bigint not null,
    outcome text,
    reason text,
    rows bigint,
    ended_ms bigint,
    answer text
);
create index questions_open on questions_question (store, until_ms) where outcome is null;
create index questions_answered on questions_question (ended_ms) where answer is not null;
create index questions_asked on questions_question (asked_ms);
