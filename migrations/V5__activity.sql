-- Activity: what the nodes did, a row for every ten seconds in which they did something. Any binary lives with it.

create table node_activity (
    at        timestamptz not null,
    node_id   uuid not null,
    fires     integer not null,
    succeeded integer not null,
    failed    integer not null,
    skipped   integer not null,
    lateness  integer[] not null,
    primary key (at, node_id)
);
comment on table node_activity is 'What each node did in ten seconds; kept for a day. For charts: the log is the truth.';
comment on column node_activity.at is 'Start of the ten seconds.';
comment on column node_activity.node_id is 'The node.';
comment on column node_activity.fires is 'Attempts that it leased.';
comment on column node_activity.succeeded is 'Executions that it settled as SUCCESS.';
comment on column node_activity.failed is 'Attempts that it settled as FAILED or RETRYING.';
comment on column node_activity.skipped is 'Fire times that it recorded and did not run.';
comment on column node_activity.lateness is 'Attempts that it settled, by their lateness: a number for each bucket; the bounds are in src/model/activity.rs.';

-- What changed lately, for whoever watches; and what a failure paused, which a person should see. The table is cold.
create index job_definition_by_update on job_definition (updated_at);
create index job_definition_paused on job_definition (updated_at desc) where status = 'PAUSED';
