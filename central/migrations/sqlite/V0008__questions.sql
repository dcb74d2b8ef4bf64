-- Questions of people at the centre to halls (下钻): who wanted to see which rows, and what came of
-- it. What was shown is not kept.
create table questions_question (
    -- Random, below 2^53.
    id integer primary key,
    store text not null,
    asked_ms integer not null,
    asked_by text not null,
    -- Words with commas between.
    roles text not null,
    -- Which rows, as JSON.
    about text not null,
    -- When nobody waits for the answer any more.
    until_ms integer not null,
    -- 'rows', 'denied', 'unanswered' or 'away'; absent while somebody waits.
    outcome text,
    reason text,
    -- How many rows came.
    rows integer,
    ended_ms integer,
    -- The answer, until the process that waits for it has taken it, a minute at most.
    answer text
) strict;
create index questions_open on questions_question (store, until_ms) where outcome is null;
create index questions_answered on questions_question (ended_ms) where answer is not null;
create index questions_asked on questions_question (asked_ms);
