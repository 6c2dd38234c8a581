//! The job cache: a job is read once, and again after every change of it.

use crate::support::{CommitGate, TestCluster, TestNode, eventually, fixed_rate, with};
use horolog::actors::job_manager::{
    DeleteJob, MissedOnce, PauseJob, ResumeJob, RunJobNow, UpdateJob,
};
use horolog::model::job::Job;
use horolog::model::job_request::JobRequest;
use horolog::model::policies::MisfirePolicy;
use horolog::store::protocol::lease_store::Batch;
use std::cell::Cell;
use std::time::Duration;
use uuid::Uuid;

/// What the fire times of the next minute are leased as.
async fn a_minute_later(cluster: &TestCluster, node: &TestNode) -> Vec<String> {
    cluster.advance(60);
    names(node).await
}

async fn names(node: &TestNode) -> Vec<String> {
    node.lease()
        .await
        .into_iter()
        .map(|attempt| attempt.job_name)
        .collect()
}

fn named(name: &str, request: JobRequest) -> JobRequest {
    JobRequest {
        name: name.into(),
        ..request
    }
}

/// A job that fires each minute, cached by both nodes.
async fn cached_by_two(cluster: &TestCluster) -> (Job, TestNode, TestNode) {
    let job = cluster.create(named("old", fixed_rate(60))).await;
    let (one, other) = (cluster.node().await, cluster.node().await);
    assert_eq!(names(&one).await, ["old"]);
    assert_eq!(a_minute_later(cluster, &other).await, ["old"]);
    (job, one, other)
}

/// Lets changes of jobs go unnoticed, to see what is cached.
async fn unnoticed(cluster: &TestCluster, change: &str) {
    let change = format!(
        "alter table job_definition disable trigger job_definition_changed; {change};
        alter table job_definition enable trigger job_definition_changed"
    );
    cluster.sql.batch_execute(&change).await.unwrap();
}

#[actix::test]
async fn a_job_that_has_not_changed_is_read_once_by_each_node() {
    let cluster = TestCluster::start().await;
    let (job, one, other) = cached_by_two(&cluster).await;
    let third = cluster.node().await;

    unnoticed(
        &cluster,
        "update job_definition set name = 'new', version = version + 1",
    )
    .await;

    assert_eq!(a_minute_later(&cluster, &one).await, ["old"]);
    assert_eq!(a_minute_later(&cluster, &other).await, ["old"]);
    assert_eq!(
        a_minute_later(&cluster, &third).await,
        ["new"],
        "it has not read it before"
    );
    cluster.command(RunJobNow(job.id)).await;
    assert_eq!(
        names(&one).await,
        ["new"],
        "a run by hand bears no cache tag"
    );
    cluster.command(RunJobNow(job.id)).await;
    assert_eq!(
        a_minute_later(&cluster, &one).await,
        ["old", "old"],
        "one job is one thing in one poll"
    );
}

#[actix::test]
async fn an_edit_is_seen_by_the_next_lease_of_every_node() {
    let cluster = TestCluster::start().await;
    let (job, one, other) = cached_by_two(&cluster).await;

    for (version, name) in (0..).zip(["first", "second", "third"]) {
        cluster
            .command(UpdateJob {
                id: job.id,
                request: named(name, fixed_rate(60)),
                version,
            })
            .await;
        assert_eq!(
            a_minute_later(&cluster, &one).await,
            [name],
            "the schedule stays"
        );
        assert_eq!(a_minute_later(&cluster, &other).await, [name]);
    }
    let request = named("faster", fixed_rate(30));
    cluster
        .command(UpdateJob {
            id: job.id,
            request,
            version: 3,
        })
        .await;
    cluster.advance(30);
    assert_eq!(
        (names(&one).await, names(&other).await),
        (vec!["faster".into()], vec![])
    );

    let versions = "select job_version::text from job_execution_log order by fire_time";
    assert_eq!(
        cluster.texts(versions, &[]).await,
        ["0", "0", "1", "1", "2", "2", "3", "3", "4"]
    );
}

#[actix::test]
async fn a_change_by_sql_is_seen_with_or_without_a_new_version() {
    let cluster = TestCluster::start().await;
    let (_, one, other) = cached_by_two(&cluster).await;

    cluster
        .execute(
            "update job_definition set name = 'raised', version = version + 1",
            &[],
        )
        .await;
    assert_eq!(a_minute_later(&cluster, &one).await, ["raised"]);
    assert_eq!(a_minute_later(&cluster, &other).await, ["raised"]);
    cluster
        .execute("update job_definition set name = 'not raised'", &[])
        .await;
    assert_eq!(a_minute_later(&cluster, &one).await, ["not raised"]);
    assert_eq!(a_minute_later(&cluster, &other).await, ["not raised"]);
}

#[actix::test]
async fn a_job_that_is_paused_resumed_or_deleted_is_not_the_cached_one() {
    let cluster = TestCluster::start().await;
    let (job, one, other) = cached_by_two(&cluster).await;
    let due = "update job_trigger set paused = false, due_at = fire_time";

    cluster.command(PauseJob(job.id, None)).await;
    cluster.execute(due, &[]).await;
    assert_eq!(
        a_minute_later(&cluster, &one).await.len(),
        0,
        "a trigger that came back by hand"
    );
    cluster.command(ResumeJob(job.id, MissedOnce::Skip)).await;
    assert_eq!(a_minute_later(&cluster, &one).await, ["old"]);
    assert_eq!(a_minute_later(&cluster, &other).await, ["old"]);
    let restored = "insert into job_trigger (id, job_id, kind, fire_time, due_at)
        select id, id, 'SCHEDULE', created_at, created_at from job_definition";
    cluster.command(DeleteJob(job.id)).await;
    cluster.execute(restored, &[]).await;
    assert_eq!(
        a_minute_later(&cluster, &other).await.len(),
        0,
        "nor one of a deleted job"
    );
}

/// How many sessions wait for a row that another holds.
async fn waiting(cluster: &TestCluster) -> usize {
    let waiting = "select from pg_stat_activity where wait_event in ('transactionid', 'tuple') \
        and datname = current_database()";
    cluster.sql.query(waiting, &[]).await.unwrap().len()
}

/// The lease has read the job and is about to say so when the change comes.
#[actix::test]
async fn a_change_that_waits_for_the_lease_outlives_its_cache_tag() {
    let cluster = TestCluster::start().await;
    let gate = CommitGate::install(&cluster.database).await;
    let node = cluster.victim(Duration::from_secs(30)).await;
    cluster.create(named("old", fixed_rate(60))).await;
    let by_hand = cluster.database.client().await;

    gate.close().await;
    let polled = node.poll_meanwhile();
    gate.await_victim().await;
    let open = async {
        eventually("the change waits", async || {
            (waiting(&cluster).await == 1).then_some(())
        })
        .await;
        gate.open().await;
    };
    let (changed, ()) = futures_util::join!(
        by_hand.execute("update job_definition set name = 'new'", &[]),
        open
    );

    assert_eq!((polled.await.leased, changed.unwrap()), (1, 1));
    assert_eq!(a_minute_later(&cluster, &node).await, ["new"]);
}

/// A change of exclusions locks them and waits for triggers.
#[actix::test]
async fn an_edit_that_waits_for_the_exclusions_locks_no_trigger() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(fixed_rate(60)).await;
    let changer = cluster.database.client().await;
    changer
        .batch_execute("begin; select pg_advisory_xact_lock(x'484f524f4c4f4701'::bigint)")
        .await
        .unwrap();

    let edit = cluster.command(UpdateJob {
        id: job.id,
        request: fixed_rate(30),
        version: 0,
    });
    let change = async {
        let waits = "select from pg_stat_activity where wait_event = 'advisory' \
            and datname = current_database()";
        eventually("the edit waits", async || {
            cluster.sql.query_opt(waits, &[]).await.unwrap().map(drop)
        })
        .await;
        changer
            .batch_execute("update job_trigger set due_at = due_at; commit")
            .await
            .unwrap();
    };

    let (edited, ()) = futures_util::join!(edit, change);
    assert_eq!(edited.version, 1);
}

/// Changes a job and its trigger as an edit of its schedule does: the job's name is the number of
/// the change, and the trigger's fire time is the same number of microseconds after the second.
const CHANGE: &str = "
with changed as (update job_definition set name = (name::int + 1)::text where id = $1 returning id,
name::int as number)
update job_trigger t set fire_time = date_trunc('second', t.fire_time) + c.number * interval
'1 microsecond'
from changed c where t.id = c.id";

/// Two nodes lease the same jobs during three concurrent editors: a changed trigger never meets the
/// former job.
#[actix::test]
async fn a_lease_during_changes_never_fires_an_outdated_definition() {
    let cluster = TestCluster::start().await;
    let rate = with(fixed_rate(1), |policies| {
        policies.misfire_policy = MisfirePolicy::FireAll;
    });
    let mut jobs = Vec::new();
    for _ in 0..9 {
        jobs.push(cluster.create(named("0", rate.clone())).await.id);
    }
    cluster.advance(3_600);
    let nodes = [cluster.node().await, cluster.node().await];
    let (polls, met) = (Cell::new(0), Cell::new(0));

    let lease = async |node: &TestNode| {
        while polls.get() < 300 {
            for attempt in node
                .leases
                .lease(node.id, Batch::of(9), Duration::ZERO)
                .await
                .unwrap()
                .unwrap()
                .attempts
            {
                let (of_trigger, of_job) = (
                    attempt.fire_time.timestamp_subsec_micros(),
                    attempt.job_name,
                );
                assert!(
                    of_job.parse::<u32>().unwrap() >= of_trigger,
                    "change {of_trigger} met job {of_job}"
                );
                met.set(met.get() + u32::from(of_trigger > 0));
            }
            polls.set(polls.get() + 1);
        }
    };
    let change = async |jobs: &[Uuid]| {
        let client = cluster.database.client().await;
        for job in jobs.iter().cycle().take_while(|_| polls.get() < 300) {
            client.execute(CHANGE, &[job]).await.unwrap();
        }
    };
    let [one, other] = &nodes;
    futures_util::join!(
        lease(one),
        lease(other),
        change(&jobs[..3]),
        change(&jobs[3..6]),
        change(&jobs[6..])
    );

    assert!(met.get() > 0, "some changes were met first by a lease");
}
