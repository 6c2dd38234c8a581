-- Foundation: jobs, triggers, the execution log, nodes.
-- Forward-only; never edited once released. Names of columns are a contract: people query these tables.

create table horolog_schema (
    singleton        boolean primary key default true check (singleton),
    compatible_since integer not null
);
comment on table horolog_schema is 'One row: which binaries may work on this schema.';
comment on column horolog_schema.singleton is 'Always true: there is one row.';
comment on column horolog_schema.compatible_since is
    'The lowest newest-known migration that a binary must have to work here; raised only by a migration that older binaries cannot live with.';
insert into horolog_schema (compatible_since) values (1);

create table job_definition (
    id                    uuid primary key,
    name                  text not null check (char_length(name) between 1 and 255),
    schedule_type         text not null check (schedule_type in ('CRON', 'FIXED_RATE', 'FIXED_DELAY')),
    cron_expression       text check (char_length(cron_expression) <= 255),
    interval_seconds      bigint check (interval_seconds > 0),
    initial_delay_seconds bigint check (initial_delay_seconds >= 0),
    anchor_at             timestamptz,
    payload               jsonb,
    target                jsonb not null,
    recovery              text not null check (recovery in ('RERUN', 'MARK_LOST')),
    max_recoveries        integer not null check (max_recoveries >= 0),
    status                text not null check (status in ('ACTIVE', 'PAUSED', 'DELETED')),
    version               integer not null default 0,
    created_at            timestamptz not null,
    updated_at            timestamptz not null,
    check ((schedule_type = 'CRON') = (cron_expression is not null)),
    check ((schedule_type = 'CRON') = (interval_seconds is null)),
    check ((schedule_type = 'FIXED_RATE') = (anchor_at is not null))
);
comment on table job_definition is 'Jobs: what to run, when, with which policies. Cold; rows are never removed, so that the log keeps its names.';
comment on column job_definition.id is 'The job.';
comment on column job_definition.name is 'For people; not unique.';
comment on column job_definition.schedule_type is 'CRON, FIXED_RATE or FIXED_DELAY.';
comment on column job_definition.cron_expression is 'As typed; for CRON only.';
comment on column job_definition.interval_seconds is 'For FIXED_RATE (grid) and FIXED_DELAY (rest after the end of a run).';
comment on column job_definition.initial_delay_seconds is 'Seconds from creation to the first fire time, as typed.';
comment on column job_definition.anchor_at is 'First fire time of a FIXED_RATE: fire times are anchor + k * interval, for ever.';
comment on column job_definition.payload is 'Handed to the target.';
comment on column job_definition.target is 'What to run, as JSON with the kind as its one key: log, noop, http.';
comment on column job_definition.recovery is 'What happens when a node dies in the middle of a run: RERUN (at least once) or MARK_LOST (at most once).';
comment on column job_definition.max_recoveries is 'How often a lost attempt is run again before the execution fails with CRASH_LOOP.';
comment on column job_definition.status is 'ACTIVE fires, PAUSED does not, DELETED never again.';
comment on column job_definition.version is 'Raised by every change of the definition or its status.';
comment on column job_definition.created_at is 'When the job was created.';
comment on column job_definition.updated_at is 'When the definition or its status was last changed.';
create index job_definition_newest on job_definition (created_at desc, id) where status <> 'DELETED';

create table job_trigger (
    id        uuid primary key,
    job_id    uuid not null references job_definition (id),
    kind      text not null check (kind in ('SCHEDULE', 'MANUAL', 'RETRY', 'RECOVERY', 'BACKFILL', 'BUFFERED')),
    fire_time timestamptz not null,
    due_at    timestamptz,
    awaits    uuid,
    paused    boolean not null default false,
    check (kind <> 'SCHEDULE' or id = job_id),
    check (kind = 'SCHEDULE' or (due_at is not null and awaits is null and not paused)),
    check (due_at is null or (awaits is null and not paused))
) with (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);
comment on table job_trigger is 'Pending due times: the one funnel that every execution comes through. Hot and small-rowed.';
comment on column job_trigger.id is 'SCHEDULE: the job''s id, so that a job has one. Else the id of the execution it starts, so that it starts it once.';
comment on column job_trigger.job_id is 'The job.';
comment on column job_trigger.kind is 'What made it: SCHEDULE, MANUAL, RETRY, RECOVERY, BACKFILL, BUFFERED.';
comment on column job_trigger.fire_time is 'The instant that the schedule names; never rewritten. While nothing is due: the last one.';
comment on column job_trigger.due_at is 'When it may start; null while nothing is due (paused, awaiting the end of a run, or exhausted).';
comment on column job_trigger.awaits is 'FIXED_DELAY: the execution whose end makes the next due time.';
comment on column job_trigger.paused is 'The job is paused: nothing may make the trigger due but a resume.';
create index job_trigger_due on job_trigger (due_at) where due_at is not null;
create index job_trigger_awaiting on job_trigger (awaits) where awaits is not null;
create index job_trigger_one_off on job_trigger (job_id) where kind <> 'SCHEDULE';

create table job_execution_log (
    id                uuid primary key,
    job_id            uuid not null,
    kind              text not null,
    fire_time         timestamptz not null,
    due_time          timestamptz not null,
    status            text not null check (status in ('RUNNING', 'RETRYING', 'SUCCESS', 'FAILED', 'CANCELLED', 'LOST', 'SKIPPED')),
    reason            text,
    attempt           integer not null,
    recoveries        integer not null default 0,
    node_id           uuid,
    started_at        timestamptz,
    finished_at       timestamptz,
    error_message     text,
    output            text,
    through_fire_time timestamptz,
    occurrences       integer,
    coalesced_into    uuid,
    previous_attempts jsonb,
    created_at        timestamptz not null
) partition by range (id);
comment on table job_execution_log is
    'Executions: every fire time that was taken, in flight or settled. Partitioned by id, whose first 48 bits are the fire time in milliseconds.';
comment on column job_execution_log.id is 'The occurrence itself: a hash of job, kind and fire time behind the fire time''s milliseconds. The primary key makes firing exactly-once.';
comment on column job_execution_log.job_id is 'The job. No foreign key: it would lock the job''s row at every fire.';
comment on column job_execution_log.kind is 'What made the trigger: SCHEDULE, MANUAL, BACKFILL, BUFFERED.';
comment on column job_execution_log.fire_time is 'The instant that the schedule names.';
comment on column job_execution_log.due_time is 'When it could start: fire time + jitter or back-off.';
comment on column job_execution_log.status is 'RUNNING or RETRYING while in flight; then SUCCESS, FAILED, CANCELLED, LOST or SKIPPED, for good.';
comment on column job_execution_log.reason is 'Why: ERROR, TIMEOUT, CRASH_LOOP, MISFIRE, COALESCED.';
comment on column job_execution_log.attempt is 'Number of the current or last attempt, from 1: the fencing token. 0 for SKIPPED.';
comment on column job_execution_log.recoveries is 'How many attempts were lost with their nodes.';
comment on column job_execution_log.node_id is 'The node of the current or last attempt.';
comment on column job_execution_log.started_at is 'When the current or last attempt started.';
comment on column job_execution_log.finished_at is 'When the execution was settled.';
comment on column job_execution_log.error_message is 'What went wrong, for people.';
comment on column job_execution_log.output is 'What the handler reported, at most 64 KB.';
comment on column job_execution_log.through_fire_time is 'SKIPPED: the last fire time of the range that this row records.';
comment on column job_execution_log.occurrences is 'SKIPPED: how many fire times this row records.';
comment on column job_execution_log.coalesced_into is 'SKIPPED with COALESCED: the execution that ran instead.';
comment on column job_execution_log.previous_attempts is 'Attempts that were lost or given back: attempt, nodeId, startedAt, endedAt, outcome.';
comment on column job_execution_log.created_at is 'When the fire time was taken.';
create index job_execution_log_by_job on job_execution_log (job_id, id desc);
-- In flight is a handful of rows beside the history: take-over and repair find them here (docs/decisions/0006).
create index job_execution_log_in_flight on job_execution_log (node_id, job_id) where status in ('RUNNING', 'RETRYING');
-- Catches fire times whose own partition is gone or not there yet (a long outage).
create table job_execution_log_default partition of job_execution_log default with (fillfactor = 50);

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
    ended_by            text
) with (fillfactor = 50);
comment on table cluster_node is 'Nodes: one row per process lifetime. The row is the lease of all that the node holds.';
comment on column cluster_node.id is 'This process lifetime.';
comment on column cluster_node.name is 'For people; several lifetimes share it.';
comment on column cluster_node.address is 'host:port by which other programs reach the node.';
comment on column cluster_node.version is 'Version of the binary.';
comment on column cluster_node.state is 'ACTIVE leases and runs, DRAINING finishes, LEFT stopped by itself, DEAD was declared dead.';
comment on column cluster_node.lock_key is 'Advisory lock that the node''s membership session holds while it lasts.';
comment on column cluster_node.slots is 'Executions it can run at once.';
comment on column cluster_node.executions_running is 'Executions it held at its last heartbeat.';
comment on column cluster_node.clock_offset_micros is 'Its wall clock minus the database''s, measured at its last heartbeat; shown, decides nothing.';
comment on column cluster_node.started_at is 'When it joined.';
comment on column cluster_node.heartbeat_at is 'Its last heartbeat, by the database''s clock.';
comment on column cluster_node.ended_at is 'When it left or was declared dead.';
comment on column cluster_node.ended_by is 'Why it ended: LEFT, TTL (no heartbeat) or SESSION (its session had gone).';
create index cluster_node_alive on cluster_node (state) where state in ('ACTIVE', 'DRAINING');
