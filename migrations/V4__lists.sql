-- Lists: what the dashboard searches, sorts and filters by. Any binary lives with it.

-- Lower case made once: to make it for 100,000 jobs at each key that somebody types costs more than to read them.
alter table job_definition add column search text generated always as (lower(name || ' ' || coalesce(description, ''))) stored;
comment on column job_definition.search is 'Name and description in lower case, for the search of the lists.';

-- Jobs by name, and by tag; the table is cold, so the indexes cost nothing that matters.
create index job_definition_by_name on job_definition (lower(name), id) where status <> 'DELETED';
create index job_definition_tags on job_definition using gin (tags);
-- What ended badly, newest first. Its condition is one that a success never changes: it costs the hot path nothing.
create index job_execution_log_trouble on job_execution_log (id desc) where error_message is not null;
