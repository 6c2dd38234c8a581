//! The statements by which a poll finds what is due.

/// Holds the node's row against a take-over until the lease commits. A
/// heartbeat (which changes no key) is not disturbed. A cluster that is held has
/// no member that may lease.
pub const LOCK_MEMBERSHIP: &str = "-- leases.hold_membership
select 1 from cluster_node where id = $1 and state = 'ACTIVE' and not exists (select from cluster_hold) for key share";

/// The triggers due within the look-ahead ($2, seconds), for $3 fire times in all, where those that
/// have been due for a second count for $6 each: first at most $4 of those that have been due for a
/// second (what an outage or a flood left, which must not hold up what is due on time), then what
/// is due on time, then what room is left for more of the first. The third scan meets what the
/// first has locked, which is no obstacle to its own transaction: hence `not in`. It happens only
/// when the first lane was full. None of the jobs $5, which this node cannot read or which wait for
/// a share of its slots (`not in (select …)` is hashed, `<> all` would compare each row with each
/// job), and nothing that was due before $7, or five seconds ago (see `scan_cursor`). `bears_own`:
/// see `own`. A payload is read of what is taken, by the statement that takes it. The clock is read
/// once, so that nothing falls between two lanes; `(select …)` lets the bounds use the index
/// `job_trigger_due`, a bare `clock_timestamp()` would be a filter over every trigger.
pub const LOCK_DUE: &str = "-- leases.lock_due
with clock as materialized (
    select now, coalesce($7::timestamptz, now - interval '5 seconds') as since
    from (select coalesce($1::timestamptz, clock_timestamp()) as now) as x
), overdue as materialized (
    select true as overdue, id, job_id, kind, fire_time, due_at, priority, runs, closed_from, job_stamp,
           (repeats is not null or payload is not null) as bears_own from job_trigger
    where due_at >= (select since from clock) and due_at < (select now - interval '1 second' from clock)
      and job_id not in (select unnest($5::uuid[]))
    order by due_at limit $4 for update skip locked
), on_time as materialized (
    select false as overdue, id, job_id, kind, fire_time, due_at, priority, runs, closed_from, job_stamp,
           (repeats is not null or payload is not null) as bears_own from job_trigger
    where due_at >= (select now - interval '1 second' from clock)
      and due_at <= (select now + make_interval(secs => $2) from clock)
      and job_id not in (select unnest($5::uuid[]))
    order by due_at, priority desc limit $3 - (select count(*) from overdue) * $6 for update skip locked
), more as materialized (
    select true as overdue, id, job_id, kind, fire_time, due_at, priority, runs, closed_from, job_stamp,
           (repeats is not null or payload is not null) as bears_own from job_trigger
    where due_at >= (select since from clock) and due_at < (select now - interval '1 second' from clock)
      and job_id not in (select unnest($5::uuid[])) and id not in (select id from overdue)
    order by due_at limit case when (select count(*) from overdue) = $4
        then ($3 - (select count(*) from overdue) * $6 - (select count(*) from on_time) + $6 - 1) / $6 else 0 end
    for update skip locked
)
select * from overdue union all select * from on_time union all select * from more";

/// The database's now, the next due time beyond the look-ahead, and the end of
/// the last blackout.
pub const LOOK_AHEAD: &str = "-- leases.look_ahead
with clock as materialized (select coalesce($1::timestamptz, clock_timestamp()) as now)
select now, (select min(due_at) from job_trigger
             where due_at > (select now + make_interval(secs => $2) from clock)) as next_due,
       (select max(ends_at) from blackout) as blackouts_until
from clock";

/// The database's now and the first due time of those after $2: all that a poll needs to know that
/// finds nothing.
pub const PEEK: &str = "-- leases.peek
with clock as materialized (select coalesce($1::timestamptz, clock_timestamp()) as now)
select now, (select min(due_at) from job_trigger
             where due_at >= (select coalesce($2::timestamptz, now - interval '5 seconds') from clock)) as next_due
from clock";
