-- Handlers and workers: jobs whose code runs in processes that take executions over HTTP. An older program can work here: it
-- leaves jobs with a handler alone, because it cannot read their target. Workers join when all living nodes know of them.

create function job_route(namespace text, target jsonb) returns text language sql immutable
return case when target ? 'handler' then namespace || '/' || (target -> 'handler' ->> 'name') end;
comment on function job_route is 'The route of a job: namespace and handler, as in team/report. Null: the target is built in, and every node runs it.';

alter table job_trigger add column route text;
comment on column job_trigger.route is
    'Copy of the route of the job: who may lease the trigger. Null: any node. Workers lease the routes that they offer.';

-- What waits for a worker must not stand before what the nodes run: each has an index of its own. The first one has the name
-- and, without handlers, the entries of the index before it.
drop index job_trigger_due;
create index job_trigger_due on job_trigger (due_at) where due_at is not null and route is null;
create index job_trigger_of_route on job_trigger (route, due_at) where due_at is not null and route is not null;
-- For lists of everything that is due; a fire of a built-in target does not pay for it. By its condition no lease of a worker
-- can use it, which would walk past the triggers of all other handlers.
create index job_trigger_routed on job_trigger (due_at) where due_at is not null and coalesce(route, '') <> '';

-- Whatever inserts a trigger need not know of routes. A fire of a schedule updates its trigger, and does not pay for this. The
-- lock is the one of the foreign key, taken earlier: a change of the target waits for it, and then finds the new trigger.
create function job_trigger_route() returns trigger language plpgsql as $$
begin
    select job_route(j.namespace, j.target) into new.route from job_definition j where j.id = new.job_id for key share;
    return new;
end $$;
comment on function job_trigger_route is 'Copies the route of the job into a new trigger.';
create trigger job_trigger_route before insert on job_trigger for each row execute function job_trigger_route();

-- At commit, as job_definition_changed.
create function job_target_changed() returns trigger language plpgsql as $$
begin
    if job_route(old.namespace, old.target) is distinct from job_route(new.namespace, new.target) then
        perform from job_definition where id = new.id for update;
        update job_trigger set route = job_route(new.namespace, new.target)
        where id = new.id or job_id = new.id and kind <> 'SCHEDULE';
    end if;
    return null;
end $$;
comment on function job_target_changed is 'Copies the new route of a job into its triggers.';
create constraint trigger job_target_changed after update on job_definition
    deferrable initially deferred for each row when (old.target is distinct from new.target)
    execute function job_target_changed();

-- A worker is a member like a node (docs/decisions/0056).
alter table cluster_node
    add column kind        text not null default 'NODE' check (kind in ('NODE', 'WORKER')),
    add column namespace   text,
    add column handlers    text[],
    add column ttl_seconds integer,
    add column joined_by   text,
    add column poll        bigint,
    add constraint cluster_node_worker_check check (
        num_nonnulls(namespace, handlers, ttl_seconds, joined_by, poll) = case kind when 'WORKER' then 5 else 0 end);
comment on column cluster_node.kind is 'NODE: a node of Horolog. WORKER: a process outside that runs handlers over HTTP, without a session or an address.';
comment on column cluster_node.namespace is 'WORKER: the namespace whose jobs it runs.';
comment on column cluster_node.handlers is 'WORKER: the handlers that it offers.';
comment on column cluster_node.ttl_seconds is 'WORKER: age of the heartbeat at which it is dead. Null: a setting of the nodes.';
comment on column cluster_node.joined_by is 'WORKER: kind and id of the caller that joined. Calls of other callers are refused.';
comment on column cluster_node.poll is 'WORKER: number of its newest poll. An older poll leases nothing and reclaims nothing.';

alter table job_execution_log add column progress jsonb, add column checkpoint json;
comment on column job_execution_log.progress is 'What a worker last said of the running attempt: percent and message. Display only.';
comment on column job_execution_log.checkpoint is 'What a worker wants the next attempt of the execution to know. Kept over attempts.';
