-- A fire time whose instant has passed belongs to the version of the job that named it: see docs/decisions/0036.

-- A node of before leaves the jobs of such triggers alone, for a minute at a time, until the triggers are taken.
alter table job_trigger
    add column held_due_at timestamptz,
    drop constraint job_trigger_kind_check,
    add constraint job_trigger_kind_check
        check (kind in ('SCHEDULE', 'MANUAL', 'RETRY', 'RECOVERY', 'BACKFILL', 'BUFFERED', 'OWED')),
    drop constraint job_trigger_one_off_check,
    add constraint job_trigger_one_off_check
        check (kind in ('SCHEDULE', 'BUFFERED') or due_at is not null or held_due_at is not null);
comment on column job_trigger.held_due_at is
    'The due time that the pause of the job has taken, and that its resume gives back: of what waits for its next attempt or for a running execution, and of a ONCE that was paused before its time.';
comment on column job_trigger.kind is
    'What made it: SCHEDULE, MANUAL, RETRY, RECOVERY, BACKFILL, BUFFERED; OWED: a fire time of the schedule that an edit found past its instant and not taken. The log calls it SCHEDULE.';
comment on column job_execution_log.reason is
    'Why: ERROR, TIMEOUT, CRASH_LOOP; for SKIPPED: MISFIRE, OVERLAP, CALENDAR, COALESCED, PAUSED, DELETED.';
comment on column job_execution_log.occurrences is
    'SKIPPED: how many fire times this row records; null when they were too many to be counted.';
