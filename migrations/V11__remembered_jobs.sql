-- Nodes remember the jobs that they fire: see docs/decisions/0025.

-- At commit, after the locks that the change itself takes: whoever edits a schedule waits for the closures before it
-- touches the trigger, and whoever changes closures holds them while it waits for triggers.
-- Without a condition on job_stamp: a lease that holds the row may be about to write one, and must be waited for.
create function job_definition_changed() returns trigger language plpgsql as $$
begin
    update job_trigger set job_stamp = null where id = new.id;
    return null;
end $$;
comment on function job_definition_changed is 'Takes the stamp from the schedule trigger of a job that was changed, whoever changed it, so that every node reads it anew.';
-- In the order in which commands lock the two tables.
create constraint trigger job_definition_changed after update on job_definition
    deferrable initially deferred for each row execute function job_definition_changed();

alter table job_trigger add column job_stamp bigint;
comment on column job_trigger.job_stamp is
    'SCHEDULE: a random number under which nodes remember the job as it is now. Null after every change of the job, and then a lease reads it and draws another.';
