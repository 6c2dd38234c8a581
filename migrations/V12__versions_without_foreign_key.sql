-- A version is written by the statement that reads its job, and rows of jobs are never removed: the key could only ever
-- hold, and to check it took PostgreSQL 6 of the 48 µs of a new job.

-- In the order in which commands lock the two tables.
lock table job_definition in access exclusive mode;
alter table job_definition_version drop constraint job_definition_version_job_id_fkey;
comment on column job_definition_version.job_id is 'The job. No foreign key: its row is never removed, and to check that for each version costs.';
comment on column job_definition_version.definition is
    'The whole row of job_definition after the change; policies at their defaults are not in it.';
comment on column job_definition.policies is
    'Limits, misfire, overlap, retry and time-out policies as JSON in the words of the API, where they differ from the defaults; what is missing has its default. Rows of before migration 12 name them all.';
