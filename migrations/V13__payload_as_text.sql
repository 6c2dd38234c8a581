-- A payload reaches its target as it was sent: see docs/decisions/0030. `jsonb` wrote numbers anew.
-- Nodes of before that run go on, but refuse new jobs; none joins any more. Both tables are rewritten.

-- In the order in which commands lock the two tables.
lock table job_definition, job_definition_version in access exclusive mode;
alter table job_definition alter column payload type json using payload::json;
alter table job_definition_version alter column definition type json using definition::json;
comment on column job_definition.payload is
    'Handed to the target, as it is: JSON of at most 256 KB, nested at most 64 levels deep, with the digits of its numbers and the order of its keys.';
comment on column job_definition_version.definition is
    'The whole row of job_definition after the change, with the payload as it is; policies at their defaults are not in it.';

update horolog_schema set compatible_since = 13;
