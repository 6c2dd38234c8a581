-- What named a pending fire time, besides its job: see docs/decisions/0041.

-- Null is unknown: the repairs of a node of this version look at such triggers once. A node of before moves fire_time and
-- leaves these as they are, which fits no rules any more.
alter table job_trigger
    add column zone_rules bigint,
    add column tzdb text;
comment on column job_trigger.zone_rules is
    'SCHEDULE, of a job with a time zone or with a calendar in one: a hash of the rules of these zones that named fire_time, xor fire_time in microseconds. Null: there is no zone but UTC, or it is not known.';
comment on column job_trigger.tzdb is
    'With zone_rules: the release of the tz database and the start of the process that named fire_time. A greater one (by bytes) with other rules names it again.';
