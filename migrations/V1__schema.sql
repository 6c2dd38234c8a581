-- The schema of Horolog. Names of tables and columns are a contract: operators query them.
-- A migration is never edited after its release. Later ones add first, and remove one release later.

-- Schema version ------------------------------------------------------------------------------------------------------

create table horolog_schema (
    singleton        boolean primary key default true check (singleton),
    compatible_since integer not null
);
comment on table horolog_schema is 'One row: which programs can use this schema.';
comment on column horolog_schema.singleton is 'Always true: there is one row.';
comment on column horolog_schema.compatible_since is
    'Number of the newest migration that a program must know to work here. Only a migration that older programs cannot work with raises it.';
insert into horolog_schema (compatible_since) values (1);

-- Calendars -----------------------------------------------------------------------------------------------------------

create table calendar (
    name        text primary key check (char_length(name) between 1 and 100),
    description text check (char_length(description) <= 2000),
    time_zone   text not null,
    rules       jsonb not null,
    version     integer not null default 0,
    created_at  timestamptz not null,
    updated_at  timestamptz not null
);
comment on table calendar is 'Calendars: named rules for which fire times of a job count.';
comment on column calendar.name is 'The name in the definitions of jobs; never changes.';
comment on column calendar.description is 'Display only.';
comment on column calendar.time_zone is 'IANA zone of the dates and times of day.';
comment on column calendar.rules is 'excludeDates, includeDates, excludeWeekdays, includeWeekdays, excludeWindows, includeWindows: JSON with the names of the API.';
comment on column calendar.version is 'Raised by every change.';
comment on column calendar.created_at is 'Instant of the creation.';
comment on column calendar.updated_at is 'Instant of the last change. Earlier fire times were decided by the rules of their time.';

-- Jobs ----------------------------------------------------------------------------------------------------------------

create table job_definition (
    id                    uuid primary key,
    name                  text not null check (char_length(name) between 1 and 255),
    schedule_type         text not null check (schedule_type in ('CRON', 'FIXED_RATE', 'FIXED_DELAY', 'ONCE')),
    cron_expression       text check (char_length(cron_expression) <= 255),
    interval_seconds      bigint check (interval_seconds > 0),
    initial_delay_seconds bigint check (initial_delay_seconds >= 0),
    anchor_at             timestamptz,
    payload               json,
    target                jsonb not null,
    recovery              text not null check (recovery in ('RERUN', 'MARK_LOST')),
    max_recoveries        integer not null check (max_recoveries >= 0),
    status                text not null check (status in ('ACTIVE', 'PAUSED', 'DELETED')),
    version               integer not null default 0,
    created_at            timestamptz not null,
    updated_at            timestamptz not null,
    time_zone             text not null default 'UTC',
    description           text check (char_length(description) <= 2000),
    tags                  text[] not null default '{}',
    priority              smallint not null default 5 check (priority between 0 and 9),
    policies              jsonb not null default '{}',
    pause_reason          text,
    calendar              text references calendar (name),
    constraint job_definition_expression_check check ((schedule_type = 'CRON') = (cron_expression is not null)),
    constraint job_definition_interval_check check ((schedule_type in ('CRON', 'ONCE')) = (interval_seconds is null)),
    constraint job_definition_anchor_check check ((schedule_type = 'FIXED_RATE') = (anchor_at is not null))
);
comment on table job_definition is 'Jobs: what to run, when, with which policies. Cold. Rows are never removed, so the log keeps its names.';
comment on column job_definition.id is 'The job.';
comment on column job_definition.name is 'Display only; not unique.';
comment on column job_definition.schedule_type is 'CRON, FIXED_RATE, FIXED_DELAY or ONCE.';
comment on column job_definition.cron_expression is 'CRON only: as entered.';
comment on column job_definition.interval_seconds is 'FIXED_RATE: the grid. FIXED_DELAY: the pause after the end of an execution.';
comment on column job_definition.initial_delay_seconds is 'Seconds from the creation to the first fire time, as entered.';
comment on column job_definition.anchor_at is 'FIXED_RATE: the first fire time. All fire times are anchor + k * interval.';
comment on column job_definition.payload is
    'Input of the target, unchanged: JSON of at most 256 KB, nested at most 64 levels deep, with the digits of its numbers and the order of its keys.';
comment on column job_definition.target is 'What to run: JSON with the kind as its only key (log, noop, http).';
comment on column job_definition.recovery is 'What happens to an execution whose node dies: RERUN (at least once) or MARK_LOST (at most once).';
comment on column job_definition.max_recoveries is 'Number of lost attempts of an execution that are repeated; one more fails it with CRASH_LOOP.';
comment on column job_definition.status is 'ACTIVE fires, PAUSED does not, DELETED never again.';
comment on column job_definition.version is 'Raised by every change of the definition or the status.';
comment on column job_definition.created_at is 'Instant of the creation.';
comment on column job_definition.updated_at is 'Instant of the last change of the definition or the status.';
comment on column job_definition.time_zone is 'IANA zone of the cron expression.';
comment on column job_definition.description is 'Display only.';
comment on column job_definition.tags is 'For filters and groups.';
comment on column job_definition.priority is 'Order of equal due times, 9 first.';
comment on column job_definition.policies is
    'Limits and the policies for misfires, overlaps, retries and time-outs: JSON with the names of the API, only where they differ from the defaults.';
comment on column job_definition.pause_reason is 'Why the job is paused: the reason of the request, or the failure that paused it. Display only.';
comment on column job_definition.calendar is 'Calendar for which fire times count.';
create index job_definition_newest on job_definition (created_at desc, id) where status <> 'DELETED';
create index job_definition_by_name on job_definition (lower(name), id) where status <> 'DELETED';
create index job_definition_by_update on job_definition (updated_at);
create index job_definition_tags on job_definition using gin (tags);
create index job_definition_calendar on job_definition (calendar) where calendar is not null;
create index job_definition_paused on job_definition (updated_at desc) where status = 'PAUSED';
-- Retention finds the jobs with a limit of their own without a read of all jobs.
create index job_definition_retaining on job_definition (id) where policies ->> 'retainExecutions' is not null;

create table job_definition_version (
    job_id     uuid not null,
    version    integer not null,
    changed_at timestamptz not null,
    changed_by text not null,
    change     text not null,
    definition json not null,
    primary key (job_id, version)
);
comment on table job_definition_version is 'Every version of every job.';
comment on column job_definition_version.job_id is 'The job. Without a foreign key: rows of jobs are never removed, and the check was 12 % of the cost of a new job.';
comment on column job_definition_version.version is 'job_definition.version after the change.';
comment on column job_definition_version.changed_at is 'Instant of the change.';
comment on column job_definition_version.changed_by is 'Author of the change: "api" until authentication exists.';
comment on column job_definition_version.change is 'CREATED, UPDATED, PAUSED, RESUMED or DELETED.';
comment on column job_definition_version.definition is
    'The whole row of job_definition after the change, with the payload unchanged and without policies at their defaults.';

-- Triggers: the hot table, with short rows ----------------------------------------------------------------------------

create table job_trigger (
    id            uuid primary key,
    job_id        uuid not null references job_definition (id),
    kind          text not null
        check (kind in ('SCHEDULE', 'MANUAL', 'RETRY', 'RECOVERY', 'BACKFILL', 'BUFFERED', 'OWED', 'RERUN')),
    fire_time     timestamptz not null,
    due_at        timestamptz,
    awaits        uuid,
    paused        boolean not null default false,
    priority      smallint not null default 5,
    runs          bigint not null default 0,
    excluded_from timestamptz,
    cache_tag     bigint,
    paused_due_at timestamptz,
    zone_rules    bigint,
    tzdb          text,
    repeats       uuid,
    payload       json,
    constraint job_trigger_schedule_id_check check (kind <> 'SCHEDULE' or id = job_id),
    constraint job_trigger_schedule_only_check check (kind = 'SCHEDULE' or (awaits is null and not paused)),
    constraint job_trigger_one_off_check
        check (kind in ('SCHEDULE', 'BUFFERED') or due_at is not null or paused_due_at is not null),
    constraint job_trigger_due_check check (due_at is null or (awaits is null and not paused))
) with (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);
comment on table job_trigger is 'Pending due times. Every execution begins as a row of this table.';
comment on column job_trigger.id is
    'SCHEDULE: the id of the job, so a job has one. BACKFILL: the id of the backfill. Other kinds: the id of the execution that the trigger starts, so it starts once.';
comment on column job_trigger.job_id is 'The job.';
comment on column job_trigger.kind is
    'Origin: SCHEDULE, MANUAL, RETRY, RECOVERY, BACKFILL, BUFFERED, RERUN (of an ended execution, on request) or OWED (a fire time of the schedule that was past and not taken when the job was edited; the log has SCHEDULE).';
comment on column job_trigger.fire_time is 'The instant that the schedule names; never rewritten. The last one while nothing is due.';
comment on column job_trigger.due_at is
    'When the execution may start. Null while nothing is due: paused, exhausted, or waiting for the end of an execution.';
comment on column job_trigger.awaits is 'FIXED_DELAY: the execution whose end determines the next due time.';
comment on column job_trigger.paused is 'The job is paused: only a resume makes the trigger due.';
comment on column job_trigger.priority is 'Copy of the priority of the job, so that a lease need not read it.';
comment on column job_trigger.runs is 'SCHEDULE: number of fire times that were run, for maxRuns. BACKFILL: number of fire times taken.';
comment on column job_trigger.excluded_from is 'SCHEDULE: the first fire time before fire_time that is excluded and not recorded yet.';
comment on column job_trigger.cache_tag is
    'SCHEDULE: the random number under which the nodes cache the current version of the job. Null after every change of the job; the next lease reads the job and draws another.';
comment on column job_trigger.paused_due_at is
    'Due time that the pause of the job removed and its resume restores: of a retry, of a buffered fire, and of a ONCE that was paused before its time.';
comment on column job_trigger.zone_rules is
    'SCHEDULE, of a job with a time zone or with a calendar in one: hash of the rules of these zones at the time when fire_time was computed, xor fire_time in microseconds. Null: no zone but UTC, or unknown.';
comment on column job_trigger.tzdb is
    'With zone_rules: the release of the tz database and the start of the process that computed fire_time. A greater one (by bytes) with other rules computes it again.';
comment on column job_trigger.repeats is 'The execution whose fire time runs again.';
comment on column job_trigger.payload is 'Payload of this execution. Null: the payload of the job at the time of the lease.';
create index job_trigger_due on job_trigger (due_at) where due_at is not null;
create index job_trigger_awaiting on job_trigger (awaits) where awaits is not null;
create index job_trigger_one_off on job_trigger (job_id) where kind <> 'SCHEDULE';
-- Is a rerun of this execution already pending?
create index job_trigger_repeats on job_trigger (repeats) where repeats is not null;
-- Schedules that have ended. A recurring trigger is never in it, so a fire does not pay for it.
create index job_trigger_ended on job_trigger (id)
    where kind = 'SCHEDULE' and due_at is null and awaits is null and not paused and paused_due_at is null;

-- The deferred trigger runs at commit, after the locks that the change itself takes: an edit of a schedule waits for the
-- lock of the exclusions before it touches job_trigger, and a change of exclusions keeps that lock while it waits for
-- triggers. Without a condition on cache_tag: a lease that has the row locked may be about to write one.
create function job_definition_changed() returns trigger language plpgsql as $$
begin
    update job_trigger set cache_tag = null where id = new.id;
    return null;
end $$;
comment on function job_definition_changed is 'Removes the cache tag from the schedule trigger of a job that was changed by any session, so every node reads the job again.';
create constraint trigger job_definition_changed after update on job_definition
    deferrable initially deferred for each row execute function job_definition_changed();

-- Executions ----------------------------------------------------------------------------------------------------------

create table job_execution_log (
    id                  uuid primary key,
    job_id              uuid not null,
    kind                text not null,
    fire_time           timestamptz not null,
    due_time            timestamptz not null,
    status              text not null
        check (status in ('RUNNING', 'RETRYING', 'SUCCESS', 'FAILED', 'CANCELLED', 'LOST', 'SKIPPED')),
    reason              text,
    attempt             integer not null,
    recoveries          integer not null default 0,
    node_id             uuid,
    started_at          timestamptz,
    finished_at         timestamptz,
    error_message       text,
    output              text,
    through_fire_time   timestamptz,
    occurrences         integer,
    coalesced_into      uuid,
    previous_attempts   jsonb,
    created_at          timestamptz not null,
    failures            integer not null default 0,
    job_version         integer,
    cancel_requested_at timestamptz,
    retrying            boolean,
    repeats             uuid,
    payload             json
) partition by range (id);
comment on table job_execution_log is
    'Executions: every fire time that was taken, in flight or settled. Partitioned by id, whose first 48 bits are the fire time in milliseconds.';
comment on column job_execution_log.id is 'The occurrence: the milliseconds of the fire time, then a hash of job, kind and fire time. The primary key makes a fire time run once.';
comment on column job_execution_log.job_id is 'The job. Without a foreign key, which would lock the row of the job at every fire.';
comment on column job_execution_log.kind is 'Origin: SCHEDULE, MANUAL, BACKFILL, BUFFERED or RERUN.';
comment on column job_execution_log.fire_time is 'The instant that the schedule names.';
comment on column job_execution_log.due_time is 'Earliest start: fire time + jitter or back-off.';
comment on column job_execution_log.status is 'In flight: RUNNING or RETRYING. Final: SUCCESS, FAILED, CANCELLED, LOST or SKIPPED.';
comment on column job_execution_log.reason is
    'FAILED: ERROR, TIMEOUT or CRASH_LOOP. SKIPPED: MISFIRE, OVERLAP, CALENDAR, COALESCED, PAUSED or DELETED.';
comment on column job_execution_log.attempt is 'Number of the current or last attempt, from 1: the fencing token. 0 if SKIPPED.';
comment on column job_execution_log.recoveries is 'Number of attempts that were lost with their nodes.';
comment on column job_execution_log.node_id is 'Node of the current or last attempt.';
comment on column job_execution_log.started_at is 'Start of the current or last attempt.';
comment on column job_execution_log.finished_at is 'Instant of the final settlement.';
comment on column job_execution_log.error_message is 'The error, or the exclusion of the fire time. Display only.';
comment on column job_execution_log.output is 'Output of the handler, at most 64 KB.';
comment on column job_execution_log.through_fire_time is 'SKIPPED: the last fire time of the range that this row records.';
comment on column job_execution_log.occurrences is 'SKIPPED: number of fire times that this row records. Null: too many to count.';
comment on column job_execution_log.coalesced_into is 'SKIPPED with COALESCED: the execution that ran instead.';
comment on column job_execution_log.previous_attempts is
    'Earlier attempts: attempt, nodeId, startedAt, endedAt, outcome (LOST, NOT_STARTED, FAILED) and error.';
comment on column job_execution_log.created_at is 'Instant of the lease.';
comment on column job_execution_log.failures is 'Number of attempts that ended without success, not by the death of their node; at most retry.maxAttempts.';
comment on column job_execution_log.job_version is 'Version of the definition at the time of the lease.';
comment on column job_execution_log.cancel_requested_at is 'Instant of a request to cancel the running attempt; its node polls for it.';
comment on column job_execution_log.retrying is
    'True while the status is RETRYING, else null, so that the index on it costs an execution nothing that succeeds at once.';
comment on column job_execution_log.repeats is 'The execution whose fire time runs again.';
comment on column job_execution_log.payload is 'Payload of all attempts of this execution. Null: each attempt has the payload of the job.';
create index job_execution_log_by_job on job_execution_log (job_id, id desc);
-- Errors, newest first. A success never changes the condition, so it does not pay for the index.
create index job_execution_log_trouble on job_execution_log (id desc) where error_message is not null;
create index job_execution_log_retrying on job_execution_log (job_id) where retrying;
-- For fire times without a partition of their day, for example after a long outage.
create table job_execution_log_default partition of job_execution_log default with (fillfactor = 50);

create table job_failing (
    job_id       uuid primary key,
    execution_id uuid not null,
    since        timestamptz not null,
    failed_at    timestamptz not null,
    message      text not null
) with (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000
);
comment on table job_failing is
    'Jobs whose newest settled execution failed or was lost: one row from the first failure until an execution succeeds or the job is deleted. SKIPPED and CANCELLED change nothing.';
comment on column job_failing.job_id is 'The job.';
comment on column job_failing.execution_id is 'The execution that failed last. The log may have purged it.';
comment on column job_failing.since is 'End of the first execution that failed since the last success.';
comment on column job_failing.failed_at is 'End of the execution that failed last.';
comment on column job_failing.message is 'Its error, at most 200 characters.';
create index job_failing_newest on job_failing (since desc);

-- Leases: what is in flight (docs/decisions/0026) ---------------------------------------------------------------------

create table job_lease (
    id            uuid primary key,
    node_id       uuid not null,
    job_id        uuid,
    execution_ids uuid[] not null
) with (
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);
comment on table job_lease is
    'Index of what is in flight: a lease of its node lists every RUNNING row of job_execution_log. The row decides; a lease may list an execution that has just ended.';
comment on column job_lease.id is 'The lease: a random number.';
comment on column job_lease.node_id is 'The node of the executions.';
comment on column job_lease.job_id is 'Serialized job: the job, and the lease lists one execution. Null for other jobs.';
comment on column job_lease.execution_ids is 'The executions, at least a quarter of which are in flight.';
create index job_lease_of_node on job_lease (node_id);
create index job_lease_of_job on job_lease (job_id) where job_id is not null;

-- One index look-up for each row, in its own partition only; a join would ask all partitions for all ids.
create view execution_in_flight as
select l.id, l.job_id, l.kind, l.status, l.attempt, l.node_id, l.started_at, l.error_message
from (select unnest(execution_ids) as id from job_lease union select id from job_execution_log where retrying) as x
cross join lateral (
    select id, job_id, kind, status, attempt, node_id, started_at, error_message
    from job_execution_log where job_execution_log.id = x.id offset 0
) as l
where l.status in ('RUNNING', 'RETRYING');
comment on view execution_in_flight is 'Executions in flight: leased, or waiting for their next attempt.';
comment on column execution_in_flight.id is 'See job_execution_log.';
comment on column execution_in_flight.job_id is 'See job_execution_log.';
comment on column execution_in_flight.kind is 'See job_execution_log.';
comment on column execution_in_flight.status is 'RUNNING or RETRYING.';
comment on column execution_in_flight.attempt is 'See job_execution_log.';
comment on column execution_in_flight.node_id is 'See job_execution_log.';
comment on column execution_in_flight.started_at is 'See job_execution_log.';
comment on column execution_in_flight.error_message is 'See job_execution_log.';

-- Blackouts and backfills ---------------------------------------------------------------------------------------------

create table blackout (
    id         uuid primary key,
    scope      text not null check (scope in ('CLUSTER', 'TAG', 'JOB')),
    tag        text,
    job_id     uuid references job_definition (id),
    starts_at  timestamptz not null,
    ends_at    timestamptz not null,
    on_end     text not null check (on_end in ('SKIP', 'COLLAPSE', 'RUN_ALL')),
    reason     text not null,
    created_at timestamptz not null,
    constraint blackout_tag_check check ((scope = 'TAG') = (tag is not null)),
    constraint blackout_job_check check ((scope = 'JOB') = (job_id is not null))
);
comment on table blackout is 'Blackouts: periods in which nothing starts by schedule. Kept after their end, as the explanation of what did not run.';
comment on column blackout.id is 'The blackout.';
comment on column blackout.scope is 'Jobs concerned: CLUSTER (all), TAG or JOB.';
comment on column blackout.tag is 'TAG: jobs with this tag.';
comment on column blackout.job_id is 'JOB: this job.';
comment on column blackout.starts_at is 'Start.';
comment on column blackout.ends_at is 'End, exclusive.';
comment on column blackout.on_end is 'What happens to the fire times at the end: SKIP runs none, COLLAPSE the last one, RUN_ALL all, oldest first.';
comment on column blackout.reason is 'Display only.';
comment on column blackout.created_at is 'Instant of the creation.';
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
comment on table job_backfill is 'Backfills: past ranges of the schedule of a job, executed on request. A running one has a row of its id in job_trigger.';
comment on column job_backfill.id is 'The backfill, and its trigger.';
comment on column job_backfill.job_id is 'The job.';
comment on column job_backfill.starts_at is 'First instant of the range.';
comment on column job_backfill.ends_at is 'Last instant of the range.';
comment on column job_backfill.fire_times is 'Number of fire times in the range at the time of the request.';
comment on column job_backfill.overlap_policy is 'For a fire time while an execution of the job is in flight: ALLOW, SKIP or BUFFER_ALL (wait).';
comment on column job_backfill.fires_per_minute is 'Largest number of fire times taken in a minute.';
comment on column job_backfill.created_at is 'Instant of the request.';
comment on column job_backfill.cancelled_at is 'Instant of the cancel, or of the deletion of the job.';
comment on column job_backfill.taken is 'Number of fire times taken before the cancel. While the backfill runs, job_trigger.runs counts them.';
create index job_backfill_by_job on job_backfill (job_id, created_at desc);

-- Nodes ---------------------------------------------------------------------------------------------------------------

create table cluster_node (
    id                  uuid primary key,
    name                text not null,
    address             text not null,
    version             text not null,
    state               text not null check (state in ('ACTIVE', 'DRAINING', 'LEFT', 'DEAD')),
    lock_key            bigint not null,
    slots               integer not null,
    executions_running  integer not null default 0,
    clock_offset_micros bigint not null default 0,
    started_at          timestamptz not null,
    heartbeat_at        timestamptz not null,
    ended_at            timestamptz,
    ended_by            text,
    session_at          timestamptz,
    protocol            integer not null,
    full_since          timestamptz
) with (fillfactor = 50);
comment on table cluster_node is 'Nodes: one row for each process lifetime. The heartbeat in it renews all leases of the node.';
comment on column cluster_node.id is 'The process lifetime.';
comment on column cluster_node.name is 'Display only; several lifetimes share it.';
comment on column cluster_node.address is 'host:port at which other programs reach the node.';
comment on column cluster_node.version is 'Version of the program.';
comment on column cluster_node.state is 'ACTIVE leases and runs, DRAINING finishes, LEFT has stopped, DEAD was declared dead.';
comment on column cluster_node.lock_key is 'Advisory lock of the membership session of the node.';
comment on column cluster_node.slots is 'Number of executions that the node can run at once.';
comment on column cluster_node.executions_running is 'Number of executions at the last heartbeat.';
comment on column cluster_node.clock_offset_micros is 'Wall clock of the node minus the clock of the database, at the last heartbeat. Display only.';
comment on column cluster_node.started_at is 'Instant of the join.';
comment on column cluster_node.heartbeat_at is 'Last heartbeat, by the clock of the database.';
comment on column cluster_node.ended_at is 'Instant at which the node left or was declared dead.';
comment on column cluster_node.ended_by is 'Cause of the end: LEFT, TTL (no heartbeat) or SESSION (its session had ended).';
comment on column cluster_node.session_at is
    'Start of the membership session, by the clock of the database. A node declares no other node dead before its own session is one TTL old.';
comment on column cluster_node.protocol is
    'Version of the protocol between nodes. Without a default, so that a program without this column cannot join.';
comment on column cluster_node.full_since is 'First of the latest heartbeats that all found no free slot. Null: a slot is free.';
create index cluster_node_alive on cluster_node (state) where state in ('ACTIVE', 'DRAINING');

-- A hint for programs that follow the membership, such as the configuration of a load balancer. A heartbeat sets no state,
-- so the trigger does not fire for it.
create function cluster_node_hint() returns trigger language plpgsql as $$
begin
    perform pg_notify('horolog_membership', '');
    return null;
end $$;
comment on function cluster_node_hint is 'Notifies the channel horolog_membership when a node joins, drains or ends. Carries no data; a lost hint costs half a second.';
create trigger cluster_node_hint after insert or update of state on cluster_node
    for each statement execute function cluster_node_hint();

create table cluster_pause (
    singleton   boolean primary key default true check (singleton),
    paused_at   timestamptz not null,
    reason      text not null,
    set_back_to timestamptz,
    last_known  timestamptz,
    jumped_from timestamptz,
    jumped_to   timestamptz
);
comment on table cluster_pause is 'At most one row: while it exists, no node leases anything. Its deletion resumes the cluster.';
comment on column cluster_pause.singleton is 'Always true: there is at most one row.';
comment on column cluster_pause.paused_at is 'Start of the pause.';
comment on column cluster_pause.reason is 'Display only.';
comment on column cluster_pause.set_back_to is 'After a restore: the last instant that the database knows.';
comment on column cluster_pause.last_known is 'After a restore: the last instant that a running node remembers. What fired in between fires again after the resume.';
comment on column cluster_pause.jumped_from is 'After a jump of the clock of the database: the instant that a node expected.';
comment on column cluster_pause.jumped_to is 'After a jump of the clock of the database: the instant that it showed.';

-- Charts --------------------------------------------------------------------------------------------------------------

create table node_activity (
    at        timestamptz not null,
    node_id   uuid not null,
    fires     integer not null,
    succeeded integer not null,
    failed    integer not null,
    skipped   integer not null,
    lateness  integer[] not null,
    primary key (at, node_id)
);
comment on table node_activity is 'Counters of each node for ten seconds, kept for a day. For charts; the log is exact.';
comment on column node_activity.at is 'Start of the ten seconds.';
comment on column node_activity.node_id is 'The node.';
comment on column node_activity.fires is 'Attempts leased.';
comment on column node_activity.succeeded is 'Executions settled as SUCCESS.';
comment on column node_activity.failed is 'Attempts settled as FAILED or RETRYING.';
comment on column node_activity.skipped is 'Fire times recorded as SKIPPED.';
comment on column node_activity.lateness is 'Settled attempts by lateness: one number for each bucket; the bounds are in src/model/activity.rs.';

create table node_load (
    at                  timestamptz not null,
    node_id             uuid not null,
    seconds             real not null,
    slots               integer not null,
    held_seconds        real not null,
    full_seconds        real not null,
    cpu_seconds         real,
    memory_bytes        bigint,
    lateness_p50_millis real,
    lateness_p99_millis real,
    primary key (node_id, at)
);
comment on table node_load is 'Load of each node in about one minute, kept for a day. For charts.';
comment on column node_load.at is 'End of the minute.';
comment on column node_load.node_id is 'The node.';
comment on column node_load.seconds is 'Length in seconds, as far as heartbeats cover it.';
comment on column node_load.slots is 'Number of executions that the node could run at once.';
comment on column node_load.held_seconds is 'Sum of the seconds of all executions; divided by seconds, the slots in use.';
comment on column node_load.full_seconds is 'Seconds without a free slot.';
comment on column node_load.cpu_seconds is 'Processor time of the process.';
comment on column node_load.memory_bytes is 'Resident memory of the process at the end. Null: unknown.';
comment on column node_load.lateness_p50_millis is 'Median lateness of the attempts settled in the minute. Null: none.';
comment on column node_load.lateness_p99_millis is '99th percentile of the lateness of the attempts settled in the minute. Null: none.';
create index node_load_by_time on node_load (at);
