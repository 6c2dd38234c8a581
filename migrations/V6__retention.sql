-- Retention: jobs that keep their executions by count are found without reading every job. Any binary lives with it.

create index job_definition_keeping on job_definition (id) where policies ->> 'keepExecutions' is not null;
