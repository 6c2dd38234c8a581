//! Taking over: what a node held, when it is gone.
//!
//! One transaction locks the node's row exclusively (no lease of that node can
//! be half-way), checks once more that it really is gone, marks it, and gives
//! every execution it held to the funnel or to its end, as the job's `recovery`
//! says. Each is a compare-and-set on (node, RUNNING): what the node settled
//! before stays settled.

use super::complete::{
    LOCK_JOBS, RELEASE_BUFFERED, lock_jobs, rearm_fixed_delay, release_buffered,
};
use super::failing;
use super::reclaim::{Holdings, waited_for};
use crate::model::text_enum;
use crate::store::db::listener::WAKE_UP_CHANNEL;
use crate::store::db::parts::in_parts;
use crate::store::db::row::{Values, bounds, column, partition};
use crate::store::db::session::Transaction;
use crate::store::{During, Store, StoreError};
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

text_enum! {
    /// How a node's end was noticed.
    #[derive(async_graphql::Enum)]
    #[graphql(name = "NodeEnd")]
    EndedBy, "end of a node" {
        /// It left by itself.
        Left = "LEFT",
        /// Its heartbeat is older than the TTL: frozen or cut off.
        Ttl = "TTL",
        /// Its session has gone from the database: killed, or cut off.
        Session = "SESSION",
    }
}

/// True of a node `n` that is gone: its heartbeat is older than the TTL ($2,
/// seconds), or nobody holds its advisory lock, so its session has ended. (A
/// successor that waits for the lock holds it `ShareLock` for a moment.)
macro_rules! is_gone {
    () => {
        "(n.heartbeat_at < (select coalesce($1::timestamptz, clock_timestamp())) - make_interval(secs => $2)
  or not exists (select from pg_locks k where k.locktype = 'advisory' and k.granted and k.mode = 'ExclusiveLock'
                 and k.objsubid = 1 and k.database = (select oid from pg_database where datname = current_database())
                 and ((k.classid::bigint << 32) | k.objid::bigint) = n.lock_key))"
    };
}

/// True of a node `n` that joined while the session of the observer `o` lasted, and has had no
/// other session since (a later one is noted before its lock is taken). The observer's session
/// would have ended with the server, so this one ended by itself. A clock that was set back since
/// makes nothing true.
macro_rules! joined_under_its_eyes {
    () => {
        "n.session_at = n.started_at and o.session_at <= n.started_at
  and n.heartbeat_at between n.started_at and (select coalesce($1::timestamptz, clock_timestamp()))"
    };
}

/// The other nodes in the ring of ids, from the observer ($3) on: which look dead, and why. After a
/// restart of the database everybody does: only an observer whose own session has lasted a TTL may
/// act on this ([`LOCK_GONE`]).
pub(crate) const CLUSTER_VIEW: &str = concat!(
    "-- takeovers.others
select n.id, n.name, n.lock_key, ",
    is_gone!(),
    " as gone,
       n.heartbeat_at < (select coalesce($1::timestamptz, clock_timestamp())) - make_interval(secs => $2) as by_ttl,
       exists (select from cluster_node o where o.id = $3 and ",
    joined_under_its_eyes!(),
    ") as joined_under_eyes
from cluster_node n
where n.state in ('ACTIVE', 'DRAINING') and n.id <> $3
order by n.id < $3, n.id"
);

/// True of an observer ($4) whose membership session has lasted a TTL and still does, as the
/// database sees it; or for as long as the suspect has been there. The node's own belief
/// (`MembershipState::may_declare_dead`) comes too late: it may not have heard yet that its session
/// ended with everybody else's, or its suspicion is from before that
/// (docs/internals/lease-protocol.md). And its own heartbeat must be young: where the clock has
/// jumped every heartbeat is old (not asked where a test sets the clock).
macro_rules! observer_has_watched {
    () => {
        concat!(
            "exists (select from cluster_node o join pg_locks k on k.locktype = 'advisory' and k.granted
            and k.mode = 'ExclusiveLock' and k.objsubid = 1
            and k.database = (select oid from pg_database where datname = current_database())
            and ((k.classid::bigint << 32) | k.objid::bigint) = o.lock_key
        where o.id = $4 and o.state in ('ACTIVE', 'DRAINING')
          and ($1::timestamptz is not null or o.heartbeat_at >= (select clock_timestamp()) - make_interval(secs => $2) / 2)
          and (o.session_at <= (select coalesce($1::timestamptz, clock_timestamp())) - make_interval(secs => $2) or ",
            joined_under_its_eyes!(),
            "))"
        )
    };
}

/// Locks the row of a node that is still gone, against its leases, for an observer that has watched
/// for long enough.
pub(crate) const LOCK_GONE: &str = concat!(
    "-- takeovers.lock_gone
select 1 from cluster_node n
where n.id = $3 and n.state in ('ACTIVE', 'DRAINING') and ",
    is_gone!(),
    " and ",
    observer_has_watched!(),
    " for update of n"
);

/// Locks one's own row, to leave.
pub(super) const LOCK_OWN: &str = "-- takeovers.lock_own
select 1 from cluster_node where id = $1 and state in ('ACTIVE', 'DRAINING') for update";

const MARK_ENDED: &str = "-- takeovers.mark_ended
update cluster_node set state = $2, ended_by = $3, ended_at = coalesce($4::timestamptz, clock_timestamp()),
    executions_running = 0
where id = $1";

/// Where to look for what a node holds: its leases. Of a lease that names a job later fire times
/// may wait for the end.
pub(crate) const LEASES: &str = "-- takeovers.leases
select id, job_id, execution_ids from job_lease where node_id = $1";

/// A node that is gone holds nothing more.
const END_LEASES: &str = "-- takeovers.end_leases
delete from job_lease where node_id = $1";

/// Ends or hands over every execution that the node held, of those that its leases list. A deleted
/// job's execution is not run again. `between` prunes partitions.
pub(crate) const TAKE_OVER: &str = "-- takeovers.take_over
with clock as materialized (select coalesce($1::timestamptz, clock_timestamp()) as now),
verdict as materialized (
    select l.id, coalesce(j.policies ->> 'pauseOnFailure' = 'true', false) as pauses,
           case when j.status = 'DELETED' or l.cancel_requested_at is not null then 'CANCELLED'
                when j.recovery = 'MARK_LOST' then 'LOST'
                when l.recoveries >= j.max_recoveries then 'FAILED'
                else 'RETRYING' end as status
    from job_execution_log l join job_definition j on j.id = l.job_id
    where l.id between $4 and $5 and l.id = any($3::uuid[]) and l.node_id = $2 and l.status = 'RUNNING'
    for update of l
)
update job_execution_log l
set status = v.status, retrying = case when v.status = 'RETRYING' then true end,
    reason = case when v.status = 'FAILED' then 'CRASH_LOOP' end,
    error_message = case when v.status = 'RETRYING' then null else 'the node died in the middle of attempt ' || l.attempt end,
    finished_at = case when v.status = 'RETRYING' then null else clock.now end,
    recoveries = l.recoveries + 1,
    previous_attempts = coalesce(l.previous_attempts, '[]') || jsonb_build_object(
        'attempt', l.attempt, 'nodeId', l.node_id, 'startedAt', l.started_at, 'endedAt', clock.now, 'outcome', 'LOST')
from verdict v, clock
where l.id between $4 and $5 and l.id = any($3::uuid[]) and l.id = v.id and l.node_id = $2 and l.status = 'RUNNING'
returning l.id, l.job_id, l.status = 'RETRYING' as runs_again, l.fire_time, l.due_time, l.status = 'FAILED' and v.pauses as pauses";

/// The next attempts: due at once, under the execution's own id; but what was leased ahead of its
/// due time and never started is not due before that.
pub(crate) const NEXT_ATTEMPTS: &str = "-- takeovers.next_attempts
insert into job_trigger (id, job_id, kind, fire_time, due_at, priority)
select x.id, x.job_id, $2, x.fire_time, greatest(x.due_time, coalesce($1::timestamptz, clock_timestamp())),
       (select j.priority from job_definition j where j.id = x.job_id)
from unnest($3::uuid[], $4::uuid[], $5::timestamptz[], $6::timestamptz[]) as x (id, job_id, fire_time, due_time)
on conflict (id) do nothing";

/// Ends executions that cannot be handed over otherwise.
const FAIL: &str = "-- takeovers.fail
update job_execution_log l set status = 'FAILED', reason = 'CRASH_LOOP',
    error_message = 'the node died in the middle of attempt ' || l.attempt || ', and the execution cannot be taken over: ' || $4::text,
    finished_at = coalesce($1::timestamptz, clock_timestamp())
where l.id = any($3::uuid[]) and l.node_id = $2 and l.status = 'RUNNING'";

/// Lists what could not be taken over, for who looks for it.
const KEEP_LEASE: &str = "-- takeovers.keep_lease
insert into job_lease (id, node_id, job_id, execution_ids) values ($1, $2, null, $3)";

/// What a take-over runs, in its order.
const STATEMENTS: [&str; 9] = [
    LOCK_GONE,
    MARK_ENDED,
    LEASES,
    LOCK_JOBS,
    TAKE_OVER,
    failing::MARK,
    END_LEASES,
    NEXT_ATTEMPTS,
    RELEASE_BUFFERED,
];

/// How what a node held is handed over.
#[derive(Debug, Clone, Copy)]
pub(super) enum HandOver {
    /// All at once.
    Whole,
    /// In parts: an execution among it keeps the others from it.
    InParts,
}

/// A node that looks dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// The node.
    pub node_id: Uuid,
    /// Its name, for the log.
    pub name: String,
    /// Why it looks dead.
    pub ended_by: EndedBy,
    /// Whether it joined while the observer's session lasted: then the observer need not have
    /// watched for a TTL.
    pub joined_while_observed: bool,
}

/// What an observer sees of the cluster: the other nodes.
#[derive(Debug, Default)]
pub struct ClusterView {
    /// Those that look dead.
    pub suspects: Vec<Suspect>,
    /// The key of the lock of the next living one in the ring of ids.
    pub successor: Option<i64>,
}

/// What a take-over did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakeoverReport {
    /// Executions that run again.
    pub rerun: Vec<Uuid>,
    /// Executions that ended: `LOST`, `CRASH_LOOP`, or cancelled with their job.
    pub ended: Vec<Uuid>,
}

/// What leases list.
pub(crate) fn executions(leases: &[Row]) -> Result<Vec<Uuid>, StoreError> {
    let listed: Vec<Vec<Uuid>> = column("job_lease", leases, "execution_ids")?;
    Ok(listed.concat())
}

fn suspect(row: &Row) -> Result<Suspect, StoreError> {
    let row = Values::of("takeovers.others", row);
    let ended_by = if row.get("by_ttl")? {
        EndedBy::Ttl
    } else {
        EndedBy::Session
    };
    let joined_while_observed = row.get("joined_under_eyes")?;
    Ok(Suspect {
        node_id: row.get("id")?,
        name: row.get("name")?,
        ended_by,
        joined_while_observed,
    })
}

impl Store {
    /// The nodes other than `observer`.
    pub async fn cluster_view(
        &self,
        observer: Uuid,
        node_ttl: Duration,
    ) -> Result<ClusterView, StoreError> {
        self.bounded("takeovers.others", async {
            let session = self.session().await?;
            let statement = session
                .prepare_cached(CLUSTER_VIEW)
                .await
                .during("takeovers.prepare")?;
            let rows = session
                .query(
                    &statement,
                    &[&self.clock().stub(), &node_ttl.as_secs_f64(), &observer],
                )
                .await
                .during("takeovers.others")?;
            session.release();
            let (gone, living) = partition("takeovers.others", &rows, "gone")?;
            let successor = living
                .first()
                .map(|row| Values::of("takeovers.others", row).get("lock_key"))
                .transpose()?;
            Ok(ClusterView {
                suspects: gone.into_iter().map(suspect).collect::<Result<_, _>>()?,
                successor,
            })
        })
        .await
    }

    /// Declares a suspect dead and takes over what it held. None when it turned
    /// out to be alive, another node was faster, or `observer` has not been there for a TTL itself.
    pub async fn take_over(
        &self,
        suspect: &Suspect,
        observer: Uuid,
        node_ttl: Duration,
    ) -> Result<Option<TakeoverReport>, StoreError> {
        match self
            .try_take_over(suspect, observer, node_ttl, HandOver::Whole)
            .await
        {
            Err(error) if error.is_of_a_row() => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, node.id = %suspect.node_id, "a take-over fails for one execution: taking over in parts");
                self.try_take_over(suspect, observer, node_ttl, HandOver::InParts)
                    .await
            }
            answer => answer,
        }
    }

    async fn try_take_over(
        &self,
        suspect: &Suspect,
        observer: Uuid,
        node_ttl: Duration,
        how: HandOver,
    ) -> Result<Option<TakeoverReport>, StoreError> {
        self.bounded("takeovers.take_over", async {
            let transaction = Transaction::new(self.session().await?);
            // Dead are few and wait: a connection has never prepared this before, and each round
            // trip is late.
            transaction
                .prepare_all(&STATEMENTS)
                .await
                .during("takeovers.prepare")?;
            let lock_gone = transaction
                .prepare_cached(LOCK_GONE)
                .await
                .during("takeovers.prepare")?;
            let (stub, seconds) = (self.clock().stub(), node_ttl.as_secs_f64());
            let ((), gone) = futures_util::try_join!(transaction.begin(), async {
                transaction
                    .query_opt(&lock_gone, &[&stub, &seconds, &suspect.node_id, &observer])
                    .await
            })
            .during("takeovers.lock_gone")?;
            let taken = match gone {
                None => None,
                Some(_) => Some(
                    self.end_node(&transaction, suspect.node_id, suspect.ended_by, how)
                        .await?,
                ),
            };
            transaction.commit().await.during("takeovers.commit")?;
            Ok(taken)
        })
        .await
    }

    /// Leaves the cluster: what the node has begun goes the same way as if it had died, at once;
    /// what it has not begun is reclaimed.
    pub async fn leave(
        &self,
        node_id: Uuid,
        holdings: &Holdings,
    ) -> Result<TakeoverReport, StoreError> {
        match self.try_leave(node_id, holdings, HandOver::Whole).await {
            Err(error) if error.is_of_a_row() => {
                self.try_leave(node_id, holdings, HandOver::InParts).await
            }
            answer => answer,
        }
    }

    async fn try_leave(
        &self,
        node_id: Uuid,
        holdings: &Holdings,
        how: HandOver,
    ) -> Result<TakeoverReport, StoreError> {
        self.bounded("takeovers.leave", async {
            let transaction = self.begin("takeovers.begin").await?;
            let own = transaction
                .query_opt(LOCK_OWN, &[&node_id])
                .await
                .during("takeovers.lock_own")?;
            let mut taken = TakeoverReport::default();
            if own.is_some() {
                self.reclaim_unstarted(&transaction, node_id, holdings)
                    .await?;
                taken = self
                    .end_node(&transaction, node_id, EndedBy::Left, how)
                    .await?;
            }
            transaction.commit().await.during("takeovers.commit")?;
            Ok(taken)
        })
        .await
    }

    async fn end_node(
        &self,
        transaction: &Transaction,
        node_id: Uuid,
        ended_by: EndedBy,
        how: HandOver,
    ) -> Result<TakeoverReport, StoreError> {
        let stub = self.clock().stub();
        let state = if ended_by == EndedBy::Left {
            "LEFT"
        } else {
            "DEAD"
        };
        let mark = transaction
            .prepare_cached(MARK_ENDED)
            .await
            .during("takeovers.prepare")?;
        transaction
            .execute(&mark, &[&node_id, &state, &ended_by.as_str(), &stub])
            .await
            .during("takeovers.mark_ended")?;
        self.hand_over_leases(transaction, node_id, how).await
    }

    /// Hands over what the leases of a node list that is gone.
    pub(super) async fn hand_over_leases(
        &self,
        transaction: &Transaction,
        node_id: Uuid,
        how: HandOver,
    ) -> Result<TakeoverReport, StoreError> {
        let stub = self.clock().stub();
        let leases = transaction
            .prepare_cached(LEASES)
            .await
            .during("takeovers.prepare")?;
        let leases = transaction
            .query(&leases, &[&node_id])
            .await
            .during("takeovers.leases")?;
        let waited_for = waited_for(&leases)?;
        lock_jobs(transaction, &waited_for).await?;
        let held = executions(&leases)?;
        if held.is_empty() {
            return Ok(TakeoverReport::default());
        }
        let end_leases = transaction
            .prepare_cached(END_LEASES)
            .await
            .during("takeovers.prepare")?;
        transaction
            .execute(&end_leases, &[&node_id])
            .await
            .during("takeovers.end_leases")?;
        let taken = match how {
            HandOver::Whole => self.hand_over(transaction, node_id, &held).await?,
            HandOver::InParts => self.hand_over_in_parts(transaction, node_id, &held).await?,
        };
        match how {
            HandOver::Whole => drop(release_buffered(transaction, stub, &waited_for).await?),
            // What cannot be released now the repairs release.
            HandOver::InParts => {
                let release = async |jobs: &[Uuid]| release_buffered(transaction, stub, jobs).await;
                self.note_odd(
                    "job_trigger",
                    in_parts(transaction, &waited_for, release).await?.odd,
                );
            }
        }
        Ok(taken)
    }

    /// What can be handed over is, when an execution keeps all from it. That one ends as a failure
    /// that says why; if that cannot be written either it stays as it is, and a lease of the node
    /// that is gone still lists it.
    async fn hand_over_in_parts(
        &self,
        transaction: &Transaction,
        node_id: Uuid,
        held: &[Uuid],
    ) -> Result<TakeoverReport, StoreError> {
        let stub = self.clock().stub();
        let hand_over = async |held: &[Uuid]| self.hand_over(transaction, node_id, held).await;
        let parts = in_parts(transaction, held, hand_over).await?;
        let mut taken = TakeoverReport::default();
        for part in parts.done {
            taken.rerun.extend(part.rerun);
            taken.ended.extend(part.ended);
        }
        let mut given_up = Vec::new();
        for (id, error) in parts.odd {
            let why = error.in_words();
            let fail = async |ids: &[Uuid]| {
                transaction
                    .execute(FAIL, &[&stub, &node_id, &ids, &why])
                    .await
                    .during("takeovers.fail")?;
                failing::mark(transaction, ids).await
            };
            let failed = in_parts(transaction, &[id], fail).await?;
            if failed.odd.is_empty() {
                tracing::error!(execution.id = %id, why, "an execution cannot be taken over: it ends as a failure");
                taken.ended.push(id);
            } else {
                tracing::error!(execution.id = %id, why, "an execution cannot be taken over, and stays RUNNING");
                given_up.push(id);
            }
        }
        metrics::counter!("horolog_takeovers_given_up_total").increment(given_up.len() as u64);
        if !given_up.is_empty() {
            let keep = transaction
                .execute(KEEP_LEASE, &[&Uuid::new_v4(), &node_id, &given_up])
                .await;
            keep.during("takeovers.keep_lease")?;
        }
        Ok(taken)
    }

    pub(super) async fn hand_over(
        &self,
        transaction: &Transaction,
        node_id: Uuid,
        held: &[Uuid],
    ) -> Result<TakeoverReport, StoreError> {
        let (Some(low), Some(high)) = (held.iter().min(), held.iter().max()) else {
            return Ok(TakeoverReport::default());
        };
        let take_over = transaction
            .prepare_cached(TAKE_OVER)
            .await
            .during("takeovers.prepare")?;
        let values: [&(dyn ToSql + Sync); 5] = [&self.clock().stub(), &node_id, &held, low, high];
        let rows = transaction
            .query(&take_over, &values)
            .await
            .during("takeovers.take_over")?;
        let (_, ended) = partition("takeovers.take_over", &rows, "runs_again")?;
        let ended: Vec<Uuid> = column("takeovers.take_over", ended, "id")?;
        // Before the rows of the jobs, as a settlement does.
        failing::mark(transaction, &ended).await?;
        for row in partition("takeovers.take_over", &rows, "pauses")?.0 {
            let row = Values::of("takeovers.take_over", row);
            let reason = format!("execution {} failed", row.get::<Uuid>("id")?);
            self.pause_in(transaction, &[row.get("job_id")?], Some(&reason))
                .await?;
        }
        let taken = self.next_attempts(transaction, "RECOVERY", &rows).await?;
        rearm_fixed_delay(transaction, &taken.ended).await?;
        Ok(taken)
    }

    /// Makes triggers for the rows that are to run again, and wakes the nodes.
    pub(super) async fn next_attempts(
        &self,
        transaction: &Transaction,
        kind: &str,
        rows: &[Row],
    ) -> Result<TakeoverReport, StoreError> {
        let (again, ended) = partition("job_execution_log", rows, "runs_again")?;
        let rows = || again.iter().copied();
        let rerun: Vec<Uuid> = column("job_execution_log", rows(), "id")?;
        let job_ids: Vec<Uuid> = column("job_execution_log", rows(), "job_id")?;
        let fire_times = bounds("job_execution_log", rows(), "fire_time")?;
        let due_times = bounds("job_execution_log", rows(), "due_time")?;
        if !rerun.is_empty() {
            let next_attempts = transaction
                .prepare_cached(NEXT_ATTEMPTS)
                .await
                .during("takeovers.prepare")?;
            transaction
                .execute(
                    &next_attempts,
                    &[
                        &self.clock().stub(),
                        &kind,
                        &rerun,
                        &job_ids,
                        &fire_times,
                        &due_times,
                    ],
                )
                .await
                .during("takeovers.next_attempts")?;
            transaction
                .execute("select pg_notify($1, '')", &[&WAKE_UP_CHANNEL])
                .await
                .during("takeovers.notify")?;
        }
        Ok(TakeoverReport {
            rerun,
            ended: column("job_execution_log", ended, "id")?,
        })
    }
}
