-- Separate roles of the database: the owner changes the schema, and the role of the nodes reads and writes rows.
-- The functions here run with the rights of the owner, for the three things that a node needs beyond rows. An older program
-- can work here: it does the same by itself, as the owner.

create function log_partition_bound(day date) returns uuid language sql immutable as $$
    select (lpad(to_hex((extract(epoch from day) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;
comment on function log_partition_bound is 'The lowest id of an execution whose fire time is on the day (UTC).';

-- A partition is built as a table of its own and then attached: "create … partition of" would lock the whole log against
-- every lease. The rows of the days that are in the DEFAULT partition move. Before rows move, all other transactions wait for
-- the log itself: one that waits for the DEFAULT partition alone looks for a moved row in the old partitions, and a
-- settlement considers itself fenced (observed). It is the first lock, because the attachment's lock on DEFAULT before it
-- deadlocks (observed). fillfactor 50 leaves room for the settlement on the page of the lease.
create function create_log_partitions(days date[]) returns void language plpgsql as $$
declare
    day date;
    partition text;
    is_early boolean;
begin
    is_early := exists (select from job_execution_log_default
        where id >= log_partition_bound((select min(d) from unnest(days) as d))
          and id < log_partition_bound((select max(d) + 1 from unnest(days) as d)));
    if is_early then
        lock table only job_execution_log in access exclusive mode;
    end if;
    foreach day in array days loop
        partition := 'job_execution_log_' || to_char(day, 'YYYYMMDD');
        execute format('create table %I (like job_execution_log including all) with (fillfactor = 50)', partition);
        if is_early then
            execute format('with early as (
                    delete from job_execution_log_default where id >= $1 and id < $2 returning *
                )
                insert into %I select * from early', partition)
                using log_partition_bound(day), log_partition_bound(day + 1);
        end if;
        execute format('alter table job_execution_log attach partition %I for values from (%L) to (%L)',
            partition, log_partition_bound(day), log_partition_bound(day + 1));
    end loop;
end $$;
comment on function create_log_partitions is 'Makes the partitions of the log for these days, fills each from the DEFAULT partition, and attaches it.';

-- Executions that a job keeps by count move to the DEFAULT partition.
create function drop_log_partition(day date) returns boolean language plpgsql as $$
declare
    partition text := 'job_execution_log_' || to_char(day, 'YYYYMMDD');
    is_in_flight boolean;
begin
    lock table only job_execution_log in access exclusive mode;
    execute format('select exists (select from execution_in_flight f join %I l on l.id = f.id)', partition)
        into is_in_flight;
    if is_in_flight then
        return false;
    end if;
    execute format('alter table job_execution_log detach partition %I', partition);
    execute format('insert into job_execution_log
            select p.* from %I p join job_definition j on j.id = p.job_id
            where j.policies ->> ''retainExecutions'' is not null', partition);
    execute format('drop table %I', partition);
    return true;
end $$;
comment on function drop_log_partition is 'Drops the partition of a day of the log without executions in flight; false if there is one.';

-- As before, and never the rows of the last day: the role of the nodes cannot remove what was just written.
create or replace function purge_audit_log(before timestamptz, most integer, out removed bigint, out through bigint, out through_hash bytea)
language plpgsql as $$
begin
    removed := 0;
    before := least(before, clock_timestamp() - interval '1 day');
    if not exists (select from (select l.at from audit_log l where l.position is not null order by l.position limit 1)
        as oldest where oldest.at < before) then
        return;
    end if;
    select p.position, p.hash into through, through_hash
    from (select b.position, b.hash, bool_and(b.at < before) over (order by b.position) as is_old
          from (select l.position, l.hash, l.at from audit_log l
                where l.position < (select max(m.position) from audit_log m)
                order by l.position limit most) as b) as p
    where p.is_old order by p.position desc limit 1;
    perform set_config('horolog.purges_audit_log', 'on', true);
    delete from audit_log l where l.position <= through;
    get diagnostics removed = row_count;
    perform set_config('horolog.purges_audit_log', 'off', true);
end $$;
comment on function purge_audit_log is 'Removes old sealed rows from the beginning of the audit log, never the last row and never one of the last day.';

-- A function with the rights of its owner finds its tables by a path of its own: a caller could put tables of the same names
-- before them otherwise. By default each role may call a function.
do $$
declare
    signature text;
begin
    foreach signature in array array['create_log_partitions(date[])', 'drop_log_partition(date)',
                                     'purge_audit_log(timestamptz, integer)'] loop
        execute format('alter function %s security definer set search_path = %I, pg_temp', signature, current_schema());
        execute format('revoke all on function %s from public', signature);
    end loop;
end $$;
