-- How full each node was, for charts, and since when a node has no free slot. Any binary lives with it: a node of before writes
-- no rows and leaves full_since empty.

create table node_load (
    at                  timestamptz not null,
    node_id             uuid not null,
    seconds             real not null,
    slots               integer not null,
    held_seconds        real not null,
    full_seconds        real not null,
    cpu_seconds         real,
    memory_bytes        bigint,
    lateness_p50_millis real,
    lateness_p99_millis real,
    primary key (node_id, at)
);
create index node_load_by_time on node_load (at);
comment on table node_load is 'How full each node was in about a minute; kept for a day. For charts.';
comment on column node_load.at is 'End of the minute.';
comment on column node_load.node_id is 'The node.';
comment on column node_load.seconds is 'Length of the minute, in seconds, as far as heartbeats cover it.';
comment on column node_load.slots is 'Executions that it could run at once.';
comment on column node_load.held_seconds is 'Executions that it held, times how long: divided by seconds, the slots in use.';
comment on column node_load.full_seconds is 'How long no slot was free.';
comment on column node_load.cpu_seconds is 'Processor time that the process used.';
comment on column node_load.memory_bytes is 'Resident memory of the process at the end; null where it is not known.';
comment on column node_load.lateness_p50_millis is 'Lateness that half of the attempts settled in the minute did not exceed; null without any.';
comment on column node_load.lateness_p99_millis is 'Lateness that 99 of 100 of them did not exceed.';

alter table cluster_node add column full_since timestamptz;
comment on column cluster_node.full_since is 'The first of its heartbeats since which each found no slot free; null while one is.';
