-- The audit log: who did what, and what the cluster decided by itself. docs/audit-log.md describes it.

create table audit_log (
    seq           bigint generated always as identity primary key,
    at            timestamptz not null,
    caller        text not null,
    caller_kind   text not null check (caller_kind in ('ANONYMOUS', 'USER', 'TOKEN', 'COMMAND', 'NODE')),
    caller_id     uuid,
    address       text,
    action        text not null,
    object_kind   text,
    object_id     text,
    object_name   text,
    outcome       text not null check (outcome in ('DONE', 'REFUSED')),
    details       json,
    position      bigint unique,
    previous_hash bytea,
    hash          bytea,
    constraint audit_log_seal_check check (
        (position is null) = (hash is null) and (position is null) = (previous_hash is null))
);
comment on table audit_log is
    'Who did what, and what the cluster decided by itself. Append-only: a row is written in the transaction of the change, and sealed once.';
comment on column audit_log.seq is 'Order in which the rows were written. A row may be committed after one with a higher number.';
comment on column audit_log.at is 'Instant, by the clock of the database.';
comment on column audit_log.caller is 'Label of the caller: ada, token ci, node a, command line of root, anonymous.';
comment on column audit_log.caller_kind is 'ANONYMOUS, USER, TOKEN, COMMAND or NODE.';
comment on column audit_log.caller_id is 'Id of the user or the token.';
comment on column audit_log.address is 'Address of the client; none without a network.';
comment on column audit_log.action is 'Name of the mutation, or of the decision of a node.';
comment on column audit_log.object_kind is 'job, calendar, blackout, execution, node, cluster, user, token, …';
comment on column audit_log.object_id is 'Id of the object; name of a calendar. None for a command about many.';
comment on column audit_log.object_name is 'Name of the object at that time.';
comment on column audit_log.outcome is 'DONE or REFUSED.';
comment on column audit_log.details is 'What was asked for and what changed, without payloads, header values and secrets.';
comment on column audit_log.position is 'Place in the hash chain, from 1; none until the row is sealed.';
comment on column audit_log.previous_hash is 'hash of the row before; 32 zero bytes for the first.';
comment on column audit_log.hash is 'SHA-256 of the row with its place and the hash of the row before.';
create index audit_log_newest on audit_log (at, seq);
create index audit_log_of_object on audit_log (object_id, at, seq) where object_id is not null;
create index audit_log_of_caller on audit_log (caller, at, seq);
create index audit_log_unsealed on audit_log (seq) where position is null;

-- Append-only ---------------------------------------------------------------------------------------------------------

create function audit_log_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' and new.position is null then
        return new;
    end if;
    -- The seal, once.
    if tg_op = 'UPDATE' and old.position is null and new.position is not null
        and (old.seq, old.at, old.caller, old.caller_kind, old.caller_id, old.address, old.action, old.object_kind,
             old.object_id, old.object_name, old.outcome, old.details::text)
            is not distinct from
            (new.seq, new.at, new.caller, new.caller_kind, new.caller_id, new.address, new.action, new.object_kind,
             new.object_id, new.object_name, new.outcome, new.details::text) then
        return new;
    end if;
    if tg_op = 'DELETE' and current_setting('horolog.purges_audit_log', true) = 'on' then
        return old;
    end if;
    raise exception 'the audit log is append-only: % is refused', tg_op using errcode = 'restrict_violation';
end $$;
create trigger audit_log_guard before insert or update or delete on audit_log
    for each row execute function audit_log_guard();
create trigger audit_log_truncate_guard before truncate on audit_log
    for each statement execute function audit_log_guard();

-- Removes sealed rows from the beginning of the chain: at most "most", all of them older than "before", and never the
-- last. Returns how many, and the place and the hash of the last of them.
create function purge_audit_log(before timestamptz, most integer, out removed bigint, out through bigint, out through_hash bytea)
language plpgsql as $$
begin
    removed := 0;
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

comment on column job_definition_version.changed_by is 'Label of the caller, as in audit_log.caller; a node pauses a job that failed.';
