-- What is in flight is found by the leases that hold it, so that a settlement touches no index: see docs/decisions/0026.
-- Nodes of before list no leases: those that run take nothing new from here on, and none joins any more.

-- Waits for the leases that are being written: they hold their node's row.
select from cluster_node where state in ('ACTIVE', 'DRAINING') for update;
update cluster_node set state = 'DRAINING' where state = 'ACTIVE';
alter table cluster_node add column protocol integer not null default 1;
alter table cluster_node alter column protocol drop default;
comment on column cluster_node.protocol is
    'Version of the protocol between nodes that it speaks: 2 lists leases in job_lease. Without a default: nodes that know no such column cannot join.';

create table job_lease (
    id            uuid primary key,
    node_id       uuid not null,
    job_id        uuid,
    execution_ids uuid[] not null
) with (
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);
comment on table job_lease is
    'Where to look for what is in flight: every RUNNING row of job_execution_log is listed by a lease of its node. The row says what is true; a lease may list what has ended, for a moment.';
comment on column job_lease.id is 'The lease: a random number.';
comment on column job_lease.node_id is 'The node that holds it.';
comment on column job_lease.job_id is 'Of a job whose executions may not overlap: the job, and the lease lists one execution. Else null.';
comment on column job_lease.execution_ids is 'The executions, at least a quarter of which are in flight.';
create index job_lease_of_node on job_lease (node_id);
create index job_lease_of_job on job_lease (job_id) where job_id is not null;

alter table job_execution_log add column retrying boolean;
comment on column job_execution_log.retrying is
    'True while the status is RETRYING, else null: the index on it costs an execution nothing that succeeds at once.';
update job_execution_log set retrying = true where status = 'RETRYING';
insert into job_lease (id, node_id, job_id, execution_ids)
select gen_random_uuid(), l.node_id,
       case when coalesce(j.policies ->> 'overlapPolicy', 'ALLOW') <> 'ALLOW' then l.job_id end, array[l.id]
from job_execution_log l left join job_definition j on j.id = l.job_id
where l.status = 'RUNNING' and l.node_id is not null;
drop index job_execution_log_in_flight;
create index job_execution_log_retrying on job_execution_log (job_id) where retrying;

-- One look-up a row, each in its own partition only: a join asks all of them for all ids.
create view execution_in_flight as
select l.id, l.job_id, l.kind, l.status, l.attempt, l.node_id, l.started_at, l.error_message
from (select unnest(execution_ids) as id from job_lease union select id from job_execution_log where retrying) as x
cross join lateral (select * from job_execution_log l where l.id = x.id offset 0) as l
where l.status in ('RUNNING', 'RETRYING');
comment on view execution_in_flight is 'Executions in flight: leased, or waiting for their next attempt.';
comment on column execution_in_flight.id is 'See job_execution_log.';
comment on column execution_in_flight.job_id is 'See job_execution_log.';
comment on column execution_in_flight.kind is 'See job_execution_log.';
comment on column execution_in_flight.status is 'RUNNING or RETRYING.';
comment on column execution_in_flight.attempt is 'See job_execution_log.';
comment on column execution_in_flight.node_id is 'See job_execution_log.';
comment on column execution_in_flight.started_at is 'See job_execution_log.';
comment on column execution_in_flight.error_message is 'See job_execution_log.';

update horolog_schema set compatible_since = 10;
