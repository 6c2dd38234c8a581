-- Which jobs fail, and which have ended: see docs/decisions/0039. Any binary lives with it: the repairs of a node of this
-- version record what an older node settles.

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
comment on column job_failing.execution_id is 'The execution that failed last. The log may have dropped it.';
comment on column job_failing.since is 'End of the first execution that failed since the last success.';
comment on column job_failing.failed_at is 'End of the execution that failed last.';
comment on column job_failing.message is 'What went wrong then, at most 200 characters.';
create index job_failing_newest on job_failing (since desc);

-- What failed before. The bounds keep a migration short: an older failure is recorded when the job fails again.
insert into job_failing (job_id, execution_id, since, failed_at, message)
select d.job_id, d.id, d.finished_at, d.finished_at, d.message
from (
    select distinct on (b.job_id) b.job_id, b.id, b.finished_at, left(coalesce(b.error_message, b.reason, b.status), 200) as message
    from (select id, job_id, status, reason, finished_at, error_message from job_execution_log
          where error_message is not null order by id desc limit 100000) as b
    where b.status in ('FAILED', 'LOST') and b.finished_at is not null
    order by b.job_id, b.finished_at desc
) as d join job_definition j on j.id = d.job_id and j.status <> 'DELETED'
where not exists (
    select from (select l.status, l.finished_at from job_execution_log l where l.job_id = d.job_id order by l.id desc limit 100) as l
    where l.status = 'SUCCESS' and l.finished_at >= d.finished_at);

-- Schedules that have ended: a recurring trigger is never in it, so that a fire costs nothing more.
create index job_trigger_ended on job_trigger (id)
    where kind = 'SCHEDULE' and due_at is null and awaits is null and not paused and held_due_at is null;
