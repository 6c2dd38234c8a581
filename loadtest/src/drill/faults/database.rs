//! Faults of the database: stopped, crashed, replaced, locked, full, or with a wrong clock.

use crate::checker::{AHEAD, BACK};
use crate::drill::fault_spec::NodeChoice;
use crate::drill::file::Database;
use crate::drill::records::WrongClock;
use crate::drill::testbed::{DrillTestbed, Servers};
use crate::history::Scope;
use crate::job::SECOND;
use crate::micros::Micros;
use crate::testbed::now;
use crate::testbed::proxy::Wire;
use anyhow::Context;
use serde_json::json;
use std::time::Duration;

/// How many sessions a hog of connections may take: more than any server has.
const SESSIONS_MAX: usize = 1_000;

pub(super) async fn restart(
    testbed: &DrillTestbed,
    mode: &str,
    lasting: Duration,
) -> Result<(), anyhow::Error> {
    let servers = testbed.servers.write().await;
    let from = now();
    servers.primary.stop(mode).await?;
    tokio::time::sleep(lasting).await;
    let accepts = servers.primary.start().await?;
    let kind = if mode == "fast" {
        "postgres-restart"
    } else {
        "postgres-crash"
    };
    testbed
        .records
        .fault(kind, Scope::Cluster, &[], from, accepts);
    Ok(())
}

/// The primary is killed, the standby promoted. An asynchronous standby lacks the last writes: from
/// then on, everything may happen again.
pub(super) async fn failover(
    testbed: &DrillTestbed,
    lasting: Duration,
) -> Result<(), anyhow::Error> {
    let mut servers = testbed.servers.write().await;
    let Servers { primary, other, .. } = &mut *servers;
    let standby = other.as_mut().context("there is no standby")?;
    let lags = testbed.drill.database == Database::AsynchronousStandby;
    // Set again while the standby still receives: only later writes can be lost.
    let mut from = now();
    if lags {
        let sql = standby.sql().await?;
        sql.batch_execute("alter system set primary_conninfo = ''")
            .await?;
        sql.batch_execute("select pg_reload_conf()").await?;
        while sql
            .query_opt("select from pg_stat_wal_receiver", &[])
            .await?
            .is_some()
        {
            from = now();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(lasting).await;
    }
    primary.kill().await?;
    standby.promote().await?;
    let sql = standby.sql().await?;
    // The new primary waits for no standby, until it has one again.
    sql.batch_execute("alter system reset synchronous_standby_names")
        .await?;
    sql.batch_execute("select pg_reload_conf()").await?;
    std::mem::swap(primary, standby);
    testbed.records.fault(
        if lags { "failover-async" } else { "failover" },
        Scope::Cluster,
        &[],
        from,
        now(),
    );
    Ok(())
}

/// The old primary returns while the new one runs, as if nothing had happened; then it is made the
/// standby.
pub(super) async fn old_primary(
    testbed: &DrillTestbed,
    lasting: Duration,
) -> Result<(), anyhow::Error> {
    {
        let servers = testbed.servers.read().await;
        let old = servers.other.as_ref().context("there is no old primary")?;
        let from = now();
        old.start().await?;
        tokio::time::sleep(lasting).await;
        old.stop("fast").await?;
        testbed
            .records
            .fault("old-primary", Scope::Harmless, &[], from, now());
    }
    let mut servers = testbed.servers.write().await;
    let Servers { primary, other, .. } = &mut *servers;
    other
        .as_mut()
        .context("there is no old primary")?
        .follow(primary)
        .await?;
    drop(servers);
    if testbed.drill.database == Database::SynchronousStandby {
        testbed.wait_for_the_standby().await?;
    }
    Ok(())
}

pub(super) async fn table_lock(
    testbed: &DrillTestbed,
    lasting: Duration,
) -> Result<(), anyhow::Error> {
    let servers = testbed.servers.read().await;
    let sql = servers.primary.sql().await?;
    let from = now();
    sql.batch_execute("begin; lock table job_execution_log in access exclusive mode")
        .await?;
    tokio::time::sleep(lasting).await;
    sql.batch_execute("rollback").await?;
    testbed
        .records
        .fault("table-lock", Scope::Cluster, &[], from, now());
    Ok(())
}

pub(super) async fn connections(
    testbed: &DrillTestbed,
    lasting: Duration,
) -> Result<(), anyhow::Error> {
    let servers = testbed.servers.read().await;
    let from = now();
    let mut sessions = Vec::new();
    // Until the server refuses: no connection is left for a node.
    while sessions.len() < SESSIONS_MAX
        && let Ok(session) = servers.primary.sql().await
    {
        sessions.push(session);
    }
    tokio::time::sleep(lasting).await;
    drop(sessions);
    testbed
        .records
        .fault("connections", Scope::Cluster, &[], from, now());
    Ok(())
}

pub(super) async fn idle_hog(
    testbed: &DrillTestbed,
    lasting: Duration,
) -> Result<(), anyhow::Error> {
    let servers = testbed.servers.read().await;
    let sql = servers.primary.sql().await?;
    let from = now();
    let hold = "begin; select from job_trigger where due_at is not null \
                order by due_at limit 10 for update skip locked";
    sql.batch_execute(hold).await?;
    tokio::time::sleep(lasting).await;
    sql.batch_execute("rollback").await?;
    testbed
        .records
        .fault("idle-hog", Scope::Cluster, &[], from, now());
    Ok(())
}

pub(super) async fn snapshot(
    testbed: &DrillTestbed,
    lasting: Duration,
) -> Result<(), anyhow::Error> {
    let servers = testbed.servers.read().await;
    let sql = servers.primary.sql().await?;
    let from = now();
    sql.batch_execute("begin isolation level repeatable read; select count(*) from job_trigger")
        .await?;
    tokio::time::sleep(lasting).await;
    sql.batch_execute("rollback").await?;
    testbed
        .records
        .fault("snapshot", Scope::Harmless, &[], from, now());
    Ok(())
}

/// Fills the small disk to the last byte. The server may die, and has to be started again then, as
/// its service manager would do.
pub(super) async fn disk_full(
    testbed: &DrillTestbed,
    lasting: Duration,
) -> Result<(), anyhow::Error> {
    let servers = testbed.servers.write().await;
    let ballast = testbed.directory.join("disk/ballast");
    let from = now();
    let filled = tokio::process::Command::new("dd")
        .args(["if=/dev/zero", "bs=64k", "status=none"])
        .arg(format!("of={}", ballast.display()))
        .stderr(std::process::Stdio::null())
        .status()
        .await?;
    // `dd` must fail: only a full disk is the fault.
    anyhow::ensure!(!filled.success(), "the small disk has no end");
    tokio::time::sleep(lasting).await;
    std::fs::remove_file(&ballast)?;
    if servers.primary.sql().await.is_err() {
        // The server may be gone, or in recovery.
        let _ = servers.primary.stop("immediate").await;
        servers.primary.start().await?;
    }
    testbed
        .records
        .fault("disk-full", Scope::Cluster, &[], from, now());
    Ok(())
}

/// Every node decides by this clock; nothing may be decided by a wrong clock.
pub(super) async fn clock_jump(
    testbed: &DrillTestbed,
    seconds: i64,
    lasting: Duration,
) -> Result<(), anyhow::Error> {
    let servers = testbed.servers.read().await;
    let from = now();
    servers.primary.skew(seconds)?;
    tokio::time::sleep(lasting).await;
    // Correct before the record: the end of the fault is the end of the wrong clock.
    servers.primary.skew(0)?;
    let until = now();
    testbed.records.wrong_clock(WrongClock {
        ahead: seconds * SECOND,
        from,
        until,
    });
    testbed
        .records
        .fault("clock-jump", Scope::Cluster, &[], from, until);
    Ok(())
}

/// How soon a jump must pause the cluster, and how long a pause that ends by itself may last.
const HOLD_MAX: Duration = Duration::from_secs(10);
const RELEASE_MAX: Duration = Duration::from_secs(30);

/// The clock is off by `amount` seconds from now on. After `seconds` an operator resumes the
/// cluster, or no one does.
pub(super) async fn clock_stays(
    testbed: &DrillTestbed,
    seconds: i64,
    patience: Duration,
) -> Result<(), anyhow::Error> {
    let servers = testbed.servers.read().await;
    let sql = servers.primary.sql().await?;
    let clock = "select extract(epoch from clock_timestamp())::float8";
    let before: f64 = sql.query_one(clock, &[]).await?.get(0);
    let from = now();
    servers.primary.skew(seconds)?;
    let after: f64 = sql.query_one(clock, &[]).await?.get(0);
    // By the clock: after another jump, a positive amount can set the clock back.
    let kind = if after < before { BACK } else { AHEAD };
    is_held(&sql, true, HOLD_MAX)
        .await
        .with_context(|| format!("{kind}: nothing paused the cluster"))?;
    let held = now();
    if !patience.is_zero() {
        tokio::time::sleep(patience).await;
        // Still paused: the end must come from the operator, not from a timer.
        is_held(&sql, true, Duration::ZERO)
            .await
            .with_context(|| format!("{kind}: the cluster was not resumed"))?;
        testbed.records.measurement(
            format!("{kind}: `horolog resume-cluster` says"),
            testbed.horolog(&servers.primary, "resume-cluster").await?,
        );
    }
    let until = is_held(&sql, false, RELEASE_MAX).await;
    let until = until.with_context(|| format!("{kind}: the cluster is paused for ever"))?;
    let lasted = format!(
        "paused after {} ms, for {} ms",
        (held - from) / 1_000,
        (until - held) / 1_000
    );
    testbed.records.measurement(kind.to_owned(), lasted);
    testbed
        .records
        .fault(kind, Scope::Cluster, &[], from, until);
    Ok(())
}

/// Waits until the cluster is paused, or is not. Returns the last instant at which the opposite was
/// certain: a busy machine may delay the drill's view of the end of a pause, and executions start
/// rightly in between.
async fn is_held(
    sql: &tokio_postgres::Client,
    wanted: bool,
    most: Duration,
) -> Result<Micros, anyhow::Error> {
    let begun = tokio::time::Instant::now();
    let mut last_otherwise = now();
    loop {
        let asked = now();
        let held = sql
            .query_one("select exists (select from cluster_pause)", &[])
            .await?;
        if held.get::<_, bool>(0) == wanted {
            return Ok(last_otherwise);
        }
        last_otherwise = asked;
        anyhow::ensure!(begun.elapsed() < most, "after {most:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A lost hint costs latency alone.
pub(super) async fn listeners_lost(testbed: &DrillTestbed) -> Result<(), anyhow::Error> {
    let servers = testbed.servers.read().await;
    let from = now();
    let sql = servers.primary.sql().await?;
    sql.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen%'",
        &[],
    )
    .await?;
    testbed
        .records
        .fault("listeners-lost", Scope::Harmless, &[], from, now());
    Ok(())
}

/// On a slow wire the node is always in the middle of a lease.
pub(super) async fn membership_cut(
    testbed: &DrillTestbed,
    who: NodeChoice,
    delay_millis: i64,
) -> Result<(), anyhow::Error> {
    let slot = testbed.pick_node(who).await?;
    let from = now();
    let delay = Duration::from_millis(u64::try_from(delay_millis).unwrap_or(0));
    if !delay.is_zero() {
        slot.set_wires(Wire {
            delay,
            ..Wire::default()
        })?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let name = slot.name().unwrap_or_default();
    let servers = testbed.servers.read().await;
    let sql = servers.primary.sql().await?;
    let cut = "select pg_terminate_backend(k.pid) from cluster_node n join pg_locks k
        on k.locktype = 'advisory' and k.granted and k.mode = 'ExclusiveLock' and k.objsubid = 1
        and ((k.classid::bigint << 32) | k.objid::bigint) = n.lock_key
        where n.name = $1 and n.state = 'ACTIVE'";
    sql.execute(cut, &[&name]).await?;
    if !delay.is_zero() {
        tokio::time::sleep(Duration::from_secs(2)).await;
        slot.set_wires(Wire::default())?;
    }
    // The node lives and reaches the target: attempts may overlap with the next attempts.
    testbed
        .records
        .fault("membership-cut", Scope::Freezes, &[name], from, now());
    Ok(())
}

/// Triggers that are due at once, of a job that does nothing: other jobs must still be on time.
/// Each is a run on request, as the API would have made it.
pub(super) async fn backlog(testbed: &DrillTestbed, amount: i64) -> Result<(), anyhow::Error> {
    let address = testbed.any_address().context("no node lives")?;
    let query = "mutation { createJob(input: {name: \"backlog\", scheduleType: CRON,
            cronExpression: \"0 0 0 1 1 ? 2099\",
        target: {noop: {sleepMillis: 0}}}) { id } }";
    let answer = testbed
        .http
        .post(
            &format!("http://{address}/graphql"),
            &json!({"query": query}),
            Duration::from_secs(10),
        )
        .await;
    let (_, answer) = answer
        .ok()
        .context("the job of the backlog cannot be created")?;
    let job: uuid::Uuid = answer["data"]["createJob"]["id"]
        .as_str()
        .context("no job")?
        .parse()?;
    let servers = testbed.servers.read().await;
    let sql = servers.primary.sql().await?;
    let from = now();
    let insert = "insert into job_trigger (id, job_id, kind, fire_time, due_at)
        select (lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0')
                || '8' || substr(md5(random()::text || n), 1, 3)
                || 'a' || substr(md5(random()::text), 1, 15))::uuid,
               $1, 'MANUAL', date_trunc('milliseconds', clock_timestamp()), clock_timestamp()
        from generate_series(1, $2::bigint) as n";
    sql.execute(insert, &[&job, &amount]).await?;
    let inserted = now();
    loop {
        // A count of a million would be load itself.
        let left = sql
            .query_one(
                "select exists (select from job_trigger where job_id = $1 and kind = 'MANUAL')",
                &[&job],
            )
            .await?;
        if !left.get::<_, bool>(0) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let drained = now();
    testbed
        .records
        .fault("backlog", Scope::Harmless, &[], from, drained);
    testbed.records.measurement(
        format!("{amount} triggers due at once, drained"),
        rate(amount, drained - inserted),
    );
    Ok(())
}

fn rate(amount: i64, took: Micros) -> String {
    let seconds = std::time::Duration::from_micros(took.unsigned_abs()).as_secs_f64();
    let amount = f64::from(i32::try_from(amount).unwrap_or(i32::MAX));
    format!(
        "{:.0} a second, in {seconds:.1} s",
        amount / seconds.max(0.001)
    )
}
