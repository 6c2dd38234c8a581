-- Enqueue: runs with a time, a payload and a unique key of their own, and jobs without a schedule.
-- An older program can work here: it leaves jobs without a schedule and enqueued runs to newer nodes.

-- Jobs without a schedule. They have no schedule trigger. Earlier rows satisfy the stricter checks that they were written under.
alter table job_definition
    drop constraint job_definition_schedule_type_check,
    add constraint job_definition_schedule_type_check
        check (schedule_type in ('CRON', 'FIXED_RATE', 'FIXED_DELAY', 'ONCE', 'ON_DEMAND')) not valid,
    drop constraint job_definition_interval_check,
    add constraint job_definition_interval_check
        check ((schedule_type in ('CRON', 'ONCE', 'ON_DEMAND')) = (interval_seconds is null)) not valid;
comment on column job_definition.schedule_type is 'CRON, FIXED_RATE, FIXED_DELAY, ONCE, or ON_DEMAND: no schedule.';

-- Enqueued runs.
alter table job_trigger
    drop constraint job_trigger_kind_check,
    add constraint job_trigger_kind_check
        check (kind in ('SCHEDULE', 'MANUAL', 'RETRY', 'RECOVERY', 'BACKFILL', 'BUFFERED', 'OWED', 'RERUN', 'ENQUEUED')) not valid,
    add column unique_key text;
comment on column job_trigger.kind is
    'Origin: SCHEDULE, MANUAL, ENQUEUED, RETRY, RECOVERY, BACKFILL, BUFFERED, RERUN (of an ended execution, on request) or OWED (a fire time of the schedule that was past and not taken when the job was edited; the log has SCHEDULE).';
comment on column job_trigger.unique_key is 'Unique key of the execution. Null: none.';
alter table job_execution_log add column unique_key text;
comment on column job_execution_log.unique_key is 'Unique key of the execution, of which run_key has a row until it ends. Null: none.';
-- Also in the order of the ids, which is that of the fire times: a list of a million pending runs has pages.
drop index job_trigger_one_off;
create index job_trigger_one_off on job_trigger (job_id, id) where kind <> 'SCHEDULE';

create table run_key (
    job_id       uuid not null,
    unique_key   text not null check (char_length(unique_key) between 1 and 200),
    execution_id uuid not null,
    primary key (job_id, unique_key)
) with (
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);
comment on table run_key is 'Unique keys of executions that are pending or in flight: one execution of a job holds a key. Inserted with the trigger, deleted with the end.';
comment on column run_key.job_id is 'The job.';
comment on column run_key.unique_key is 'The key, chosen by the caller.';
comment on column run_key.execution_id is 'The execution that holds the key.';

-- Each statement that ends an execution frees its key, also one of an older program. The condition is tested without a call:
-- an execution without a key costs a comparison with null.
create function free_run_key() returns trigger language plpgsql as $$
begin
    delete from run_key k where k.job_id = new.job_id and k.unique_key = new.unique_key and k.execution_id = new.id;
    return null;
end $$;
comment on function free_run_key is 'Deletes the unique key of an execution that has ended.';
create trigger free_run_key after insert or update of status on job_execution_log for each row
    when (new.unique_key is not null and new.status not in ('RUNNING', 'RETRYING'))
    execute function free_run_key();

create function one_off_execution_id(fire_time timestamptz) returns uuid language sql volatile as $$
    select (lpad(to_hex((extract(epoch from fire_time) * 1000)::bigint), 12, '0') || '8' || substr(random.hex, 14))::uuid
    from (select replace(gen_random_uuid()::text, '-', '') as hex) as random
$$;
comment on function one_off_execution_id is 'An id for an execution that no schedule names: its milliseconds, then random bits (src/model/occurrence.rs).';

create function sends_payload(target jsonb) returns boolean language sql immutable as $$
    select coalesce(not (target ? 'http' and (target #>> '{http,body}' is not null or target #>> '{http,method}' in ('GET', 'DELETE'))), true)
$$;
comment on function sends_payload is 'Whether a target gets the payload of an execution (src/model/target.rs).';

-- The runs arrive as columns. Two calls with the same key wait for each other only until the first one ends its transaction.
create function enqueue_runs(at timestamptz, job_ids uuid[], execution_ids uuid[], due_ats timestamptz[], payloads json[],
    unique_keys text[], priorities smallint[])
returns table (place integer, execution_id uuid, is_created boolean) language plpgsql as $$
#variable_conflict use_column
declare
    taken uuid[] := '{}';
    holders uuid[] := execution_ids;
    first_due timestamptz;
    wakes boolean;
begin
    while cardinality(array_remove(unique_keys, null)) > 0 loop
        -- In the order of the keys: two calls with many keys do not wait for each other in a circle.
        with inserted as (
            insert into run_key (job_id, unique_key, execution_id)
            select x.job_id, x.unique_key, x.id
            from unnest(job_ids, unique_keys, execution_ids) with ordinality as x (job_id, unique_key, id, place)
            where x.unique_key is not null
            order by x.job_id, x.unique_key, x.place
            on conflict do nothing returning run_key.execution_id
        )
        select taken || coalesce(array_agg(i.execution_id), '{}') into taken from inserted i;
        -- A statement of its own: it sees the key that made the other one wait.
        select array_agg(case when x.unique_key is null or t.id is not null then x.id else k.execution_id end order by x.place)
        into holders
        from unnest(job_ids, unique_keys, execution_ids) with ordinality as x (job_id, unique_key, id, place)
        left join unnest(taken) as t (id) on t.id = x.id
        left join run_key k on k.job_id = x.job_id and k.unique_key = x.unique_key;
        -- The execution that held a key has ended since the insert: the key is free now.
        exit when array_position(holders, null) is null;
    end loop;

    select min(x.due_at) into first_due from unnest(execution_ids, due_ats, holders) as x (id, due_at, holder)
    where x.holder = x.id;
    -- A notification locks the queue of the whole server until the commit. None is needed when the nodes wake up
    -- before this run for another one, or poll before it anyway.
    wakes := first_due <= at + interval '1 minute' and not exists (
        select from (select t.due_at from job_trigger t
                     where t.due_at > at - interval '1 second' and t.due_at <= first_due
                     order by t.due_at desc limit 1) as other);

    insert into job_trigger (id, job_id, kind, fire_time, due_at, priority, payload, unique_key)
    select x.id, x.job_id, 'ENQUEUED', x.due_at, x.due_at, coalesce(x.priority, j.priority), x.payload, x.unique_key
    from unnest(job_ids, execution_ids, due_ats, payloads, unique_keys, priorities, holders)
        as x (job_id, id, due_at, payload, unique_key, priority, holder)
    join job_definition j on j.id = x.job_id
    where x.holder = x.id;

    if wakes then
        perform pg_notify('horolog_wakeup', '');
    end if;
    return query
        select x.place::integer, x.holder, x.holder = x.id
        from unnest(execution_ids, holders) with ordinality as x (id, holder, place);
end $$;
comment on function enqueue_runs is
    'Enqueues validated runs of jobs, given as columns, or finds the executions that hold their unique keys. Called by the nodes and by horolog_enqueue.';

-- The hint says what to do, and the column which argument was wrong: HL001 (bad argument), HL002 (no such job), HL003 (several jobs of
-- that name).
create function horolog_enqueue(job text, payload jsonb default null, due_at timestamptz default null, unique_key text default null,
    priority integer default null, namespace text default 'default')
returns uuid language plpgsql as $$
#variable_conflict use_column
declare
    now_ms constant timestamptz := date_trunc('milliseconds', clock_timestamp() + interval '999 microseconds');
    due constant timestamptz := greatest(
        date_trunc('milliseconds', horolog_enqueue.due_at + interval '999 microseconds'), now_ms);
    body constant text := nullif(horolog_enqueue.payload::text, 'null');
    found uuid;
    takes_payload boolean;
    matches integer := 0;
begin
    if horolog_enqueue.job is null then
        raise 'job: is required' using errcode = 'HL001', column = 'job', hint = 'Give the name or the id of a job.';
    end if;
    if horolog_enqueue.job ~ '^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$' then
        select j.id, sends_payload(j.target), 1 into found, takes_payload, matches from job_definition j
        where j.id = horolog_enqueue.job::uuid and j.status <> 'DELETED';
    end if;
    if found is null then
        -- The index is over the name in lower case.
        select (array_agg(j.id))[1], bool_and(sends_payload(j.target)), count(*) into found, takes_payload, matches
        from (select j.id, j.target from job_definition j
              where lower(j.name) = lower(horolog_enqueue.job) and j.name = horolog_enqueue.job
                and j.namespace = horolog_enqueue.namespace and j.status <> 'DELETED' limit 2) as j;
    end if;
    if matches = 0 then
        raise 'job: no job in namespace % has the name or the id %', quote_literal(horolog_enqueue.namespace),
            quote_literal(left(horolog_enqueue.job, 255))
        using errcode = 'HL002', column = 'job', hint = 'A deleted job accepts no runs. Create the job first, or name its namespace.';
    elsif matches > 1 then
        raise 'job: several jobs in namespace % have the name %', quote_literal(horolog_enqueue.namespace),
            quote_literal(horolog_enqueue.job)
        using errcode = 'HL003', column = 'job', hint = 'Give the id of the job.';
    end if;
    if due > now_ms + interval '316224000 seconds' then
        raise 'due_at: must be within ten years' using errcode = 'HL001', column = 'due_at', hint = 'An instant in the past runs at once.';
    end if;
    if horolog_enqueue.priority not between 0 and 9 then
        raise 'priority: must be from 0 to 9' using errcode = 'HL001', column = 'priority', hint = 'Without one, the run has the priority of the job.';
    end if;
    if char_length(horolog_enqueue.unique_key) > 200 then
        raise 'unique_key: must be at most 200 characters long' using errcode = 'HL001', column = 'unique_key', hint = 'Use a hash of a longer key.';
    elsif horolog_enqueue.unique_key !~ '\S' then
        raise 'unique_key: must not be empty' using errcode = 'HL001', column = 'unique_key', hint = 'Leave it out for a run without a key.';
    elsif horolog_enqueue.unique_key ~ '[\u0001-\u001f\u007f-\u009f]' then
        raise 'unique_key: must be one line: it holds a control character' using errcode = 'HL001', column = 'unique_key',
            hint = 'Use letters, digits and punctuation.';
    end if;
    if body is not null then
        if octet_length(body) > 262144 then
            raise 'payload: must be at most 262144 bytes (256 KB) of JSON, and has %', octet_length(body)
            using errcode = 'HL001', column = 'payload', hint = 'Store the data elsewhere, and send its address.';
        end if;
        if octet_length(body) > 128 and jsonb_path_exists(horolog_enqueue.payload,
            'strict $.**{64 to last} ? (@.type() == "array" || @.type() == "object")') then
            raise 'payload: must be nested at most 64 levels deep' using errcode = 'HL001', column = 'payload', hint = 'Flatten the value.';
        end if;
        if not takes_payload then
            raise 'payload: does not reach the target of the job, which gets the body that the job says, or none'
            using errcode = 'HL001', column = 'payload', hint = 'Leave the payload out, or change the target of the job.';
        end if;
        -- The right to run a job is not the right to choose which secrets are sent.
        if strpos(body, '${secret:') > 0 and exists (
            select from regexp_matches(body, '\$\{secret:([^}]*)', 'g') as reference (parts)
            where not exists (select from job_secret s join secret c on c.namespace = s.namespace and c.name = s.name
                              where s.job_id = found and s.name = reference.parts[1] and not c.is_signing)) then
            raise 'payload: refers to a secret that the job does not use' using errcode = 'HL001', column = 'payload',
                hint = 'Refer only to secrets that the job sends.';
        end if;
    end if;
    return (select r.execution_id from enqueue_runs(now_ms, array[found], array[one_off_execution_id(due)], array[due],
        array[body::json], array[horolog_enqueue.unique_key], array[horolog_enqueue.priority::smallint]) as r);
end $$;
comment on function horolog_enqueue is
    'Enqueues one run of a job within the transaction of the caller, and returns the id of its execution. With the unique key of an execution that is pending or in flight: the id of that one.';

-- As in V7: a caller can put no tables of its own before those of the schema.
do $$
begin
    execute format('alter function horolog_enqueue(text, jsonb, timestamptz, text, integer, text) security definer set search_path = %I, pg_temp',
        current_schema());
    revoke all on function horolog_enqueue(text, jsonb, timestamptz, text, integer, text) from public;
end $$;
