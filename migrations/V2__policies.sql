-- Policies: zones, limits, misfires, overlaps, retries; every version of a definition is kept.
-- Expands only, but a binary that knows V1 alone would read every zone as UTC and obey no policy: it is refused at its
-- start (nodes that run already go on; do not use the new fields before they are gone).

update horolog_schema set compatible_since = 2;

alter table job_definition
    add column time_zone   text not null default 'UTC',
    add column description text check (char_length(description) <= 2000),
    add column tags        text[] not null default '{}',
    add column priority    smallint not null default 5 check (priority between 0 and 9),
    add column policies    jsonb not null default '{}',
    add column paused_because text,
    drop constraint job_definition_schedule_type_check,
    drop constraint job_definition_check1,
    add constraint job_definition_schedule_type_check
        check (schedule_type in ('CRON', 'FIXED_RATE', 'FIXED_DELAY', 'ONCE')),
    add constraint job_definition_interval_check
        check ((schedule_type in ('CRON', 'ONCE')) = (interval_seconds is null));
comment on column job_definition.schedule_type is 'CRON, FIXED_RATE, FIXED_DELAY or ONCE.';
comment on column job_definition.time_zone is 'IANA zone of the cron expression.';
comment on column job_definition.description is 'For people.';
comment on column job_definition.tags is 'For finding and grouping.';
comment on column job_definition.priority is 'Tie-break among equal due times, 9 first.';
comment on column job_definition.policies is
    'Limits, misfire, overlap, retry and time-out policies as JSON in the words of the API; what is missing has its default.';
comment on column job_definition.paused_because is 'Why the job is paused: a person''s reason, or the failure that paused it.';

alter table job_trigger
    add column priority smallint not null default 5,
    add column runs     bigint not null default 0,
    drop constraint job_trigger_check1,
    add constraint job_trigger_one_off_check
        check (kind in ('SCHEDULE', 'BUFFERED') or due_at is not null),
    add constraint job_trigger_schedule_only_check
        check (kind = 'SCHEDULE' or (awaits is null and not paused));
comment on column job_trigger.priority is 'The job''s, copied so that a lease need not look.';
comment on column job_trigger.runs is 'SCHEDULE: fire times that were run, for maxRuns.';
comment on column job_trigger.due_at is
    'When it may start; null while nothing is due (paused, awaiting the end of a run, exhausted, or buffered behind a running execution).';

alter table job_execution_log
    add column failures    integer not null default 0,
    add column job_version integer,
    add column cancel_requested_at timestamptz;
comment on column job_execution_log.failures is 'Attempts that ended by themselves without success; retry.maxAttempts bounds them.';
comment on column job_execution_log.job_version is 'Version of the definition that the fire time was taken under.';
comment on column job_execution_log.cancel_requested_at is 'Somebody asked to cancel the running attempt; its node looks for it.';
comment on column job_execution_log.reason is
    'Why: ERROR, TIMEOUT, CRASH_LOOP; for SKIPPED: MISFIRE, OVERLAP, COALESCED.';
comment on column job_execution_log.previous_attempts is
    'Earlier attempts: attempt, nodeId, startedAt, endedAt, outcome (LOST, NOT_STARTED, FAILED) and error.';

create table job_definition_version (
    job_id     uuid not null references job_definition (id),
    version    integer not null,
    changed_at timestamptz not null,
    changed_by text not null,
    change     text not null,
    definition jsonb not null,
    primary key (job_id, version)
);
-- Overlap policies ask by job, take-overs by node: one index, small, for both.
drop index job_execution_log_in_flight;
create index job_execution_log_in_flight on job_execution_log (job_id, node_id) where status in ('RUNNING', 'RETRYING');

comment on table job_definition_version is 'Every version of every job: who changed what, when.';
comment on column job_definition_version.job_id is 'The job.';
comment on column job_definition_version.version is 'As in job_definition.version after the change.';
comment on column job_definition_version.changed_at is 'When.';
comment on column job_definition_version.changed_by is 'Who; "api" until there is authentication.';
comment on column job_definition_version.change is 'What was done: CREATED, UPDATED, PAUSED, RESUMED, DELETED.';
comment on column job_definition_version.definition is 'The whole row of job_definition after the change.';
