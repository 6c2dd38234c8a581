-- Lists: what the dashboard searches, sorts and filters by. Indexes only; any binary lives with them.

-- Jobs by name, and by tag; the table is cold, so the indexes cost nothing that matters.
create index job_definition_by_name on job_definition (lower(name), id) where status <> 'DELETED';
create index job_definition_tags on job_definition using gin (tags);
-- What ended badly, newest first. Its condition is one that a success never changes: it costs the hot path nothing.
create index job_execution_log_trouble on job_execution_log (id desc) where error_message is not null;
