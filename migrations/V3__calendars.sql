-- Calendars, blackouts, backfills.
-- A binary that knows V2 alone would fire what a calendar closes: it is refused at its start (nodes that run already go
-- on; do not use the new fields before they are gone).

update horolog_schema set compatible_since = 3;

create table calendar (
    name        text primary key check (char_length(name) between 1 and 100),
    description text check (char_length(description) <= 2000),
    time_zone   text not null,
    rules       jsonb not null,
    version     integer not null default 0,
    created_at  timestamptz not null,
    updated_at  timestamptz not null
);
comment on table calendar is 'Calendars: named rules that say which fire times of the jobs that name them count.';
comment on column calendar.name is 'What jobs call it; never changes.';
comment on column calendar.description is 'For people.';
comment on column calendar.time_zone is 'IANA zone of its dates and times of day.';
comment on column calendar.rules is 'excludeDates, includeDates, excludeWeekdays, includeWeekdays, excludeWindows, includeWindows: JSON in the words of the API.';
comment on column calendar.version is 'Raised by every change.';
comment on column calendar.created_at is 'When it was created.';
comment on column calendar.updated_at is 'When it was last changed; fire times before it were judged by the rules of their time.';

create table blackout (
    id         uuid primary key,
    scope      text not null check (scope in ('CLUSTER', 'TAG', 'JOB')),
    tag        text,
    job_id     uuid references job_definition (id),
    starts_at  timestamptz not null,
    ends_at    timestamptz not null,
    afterwards text not null check (afterwards in ('SKIP', 'COLLAPSE', 'RUN_ALL')),
    reason     text not null,
    created_at timestamptz not null,
    check ((scope = 'TAG') = (tag is not null)),
    check ((scope = 'JOB') = (job_id is not null))
);
comment on table blackout is 'Blackouts: stretches of time in which nothing starts by schedule. Kept when they are over: they explain what did not run.';
comment on column blackout.id is 'The blackout.';
comment on column blackout.scope is 'Whose fire times it holds back: CLUSTER (every job''s), TAG, JOB.';
comment on column blackout.tag is 'TAG: of the jobs with this tag.';
comment on column blackout.job_id is 'JOB: of this job.';
comment on column blackout.starts_at is 'Its start.';
comment on column blackout.ends_at is 'Its end, not included.';
comment on column blackout.afterwards is 'What becomes of its fire times at its end: SKIP none runs, COLLAPSE the last one runs, RUN_ALL all run, oldest first.';
comment on column blackout.reason is 'Why, for people.';
comment on column blackout.created_at is 'When it was created.';
create index blackout_by_end on blackout (ends_at);

create table job_backfill (
    id               uuid primary key,
    job_id           uuid not null references job_definition (id),
    starts_at        timestamptz not null,
    ends_at          timestamptz not null,
    fire_times       integer not null,
    overlap_policy   text not null check (overlap_policy in ('ALLOW', 'SKIP', 'BUFFER_ALL')),
    fires_per_minute integer not null check (fires_per_minute > 0),
    created_at       timestamptz not null,
    cancelled_at     timestamptz,
    taken            integer
);
comment on table job_backfill is 'Backfills: past ranges of a job''s schedule that a person asked to run. While one goes on, job_trigger has a row of its id.';
comment on column job_backfill.id is 'The backfill, and its trigger.';
comment on column job_backfill.job_id is 'The job.';
comment on column job_backfill.starts_at is 'First instant of the range.';
comment on column job_backfill.ends_at is 'Last instant of the range.';
comment on column job_backfill.fire_times is 'Fire times in the range when it was asked for.';
comment on column job_backfill.overlap_policy is 'What becomes of a fire time while an execution of the job is in flight: ALLOW, SKIP, BUFFER_ALL (it waits).';
comment on column job_backfill.fires_per_minute is 'Most fire times taken in a minute.';
comment on column job_backfill.created_at is 'When it was asked for.';
comment on column job_backfill.cancelled_at is 'When somebody stopped it, or its job was deleted.';
comment on column job_backfill.taken is 'Fire times that were taken when it was stopped; while it goes on its trigger counts them (runs).';
create index job_backfill_by_job on job_backfill (job_id, created_at desc);

alter table job_definition add column calendar text references calendar (name);
comment on column job_definition.calendar is 'Calendar that says which fire times count.';
create index job_definition_calendar on job_definition (calendar) where calendar is not null;

alter table job_trigger add column closed_from timestamptz;
comment on column job_trigger.runs is 'SCHEDULE: fire times that were run, for maxRuns. BACKFILL: fire times that were taken.';
comment on column job_trigger.closed_from is 'SCHEDULE: the first fire time before fire_time that is closed and not recorded yet.';
comment on column job_trigger.id is
    'SCHEDULE: the job''s id, so that a job has one. BACKFILL: the backfill''s. Else the id of the execution it starts, so that it starts it once.';
comment on column job_trigger.due_at is
    'When it may start; null while nothing is due (paused, awaiting the end of a run, exhausted, or waiting behind a running execution).';
comment on column job_execution_log.reason is
    'Why: ERROR, TIMEOUT, CRASH_LOOP; for SKIPPED: MISFIRE, OVERLAP, CALENDAR, COALESCED.';
comment on column job_execution_log.error_message is 'What went wrong, or what closed the fire time, for people.';
