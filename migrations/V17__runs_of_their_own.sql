-- Runs with a payload of their own, and executions that run again: see docs/decisions/0037.
-- Columns without a default and an index over none of the rows of a schedule: nothing is rewritten, and a scheduled fire
-- writes what it wrote. A node of before would run such a trigger with the payload of the job: none joins any more, and
-- while one runs the commands are refused.

update horolog_schema set compatible_since = 17;

alter table job_trigger
    add column repeats uuid,
    add column payload json,
    drop constraint job_trigger_kind_check,
    add constraint job_trigger_kind_check
        check (kind in ('SCHEDULE', 'MANUAL', 'RETRY', 'RECOVERY', 'BACKFILL', 'BUFFERED', 'OWED', 'RERUN'));
comment on column job_trigger.kind is
    'What made it: SCHEDULE, MANUAL, RETRY, RECOVERY, BACKFILL, BUFFERED; RERUN: an execution that a person asked to run again; OWED: a fire time of the schedule that an edit found past its instant and not taken. The log calls it SCHEDULE.';
comment on column job_trigger.repeats is 'The execution whose fire time it runs again.';
comment on column job_trigger.payload is 'The payload of its run; null: that of the job when it is taken.';
-- Whether an execution is about to run again already.
create index job_trigger_repeats on job_trigger (repeats) where repeats is not null;

alter table job_execution_log
    add column repeats uuid,
    add column payload json;
comment on column job_execution_log.kind is 'What made the trigger: SCHEDULE, MANUAL, BACKFILL, BUFFERED, RERUN.';
comment on column job_execution_log.repeats is 'The execution whose fire time it runs again.';
comment on column job_execution_log.payload is 'The payload of its own, for all its attempts; null: each attempt has that of the job.';
