//! Calendars, and the locks of exclusions: excluded fire times are recorded and do not run, and
//! a change reaches the pending triggers.

use crate::support::{TestCluster, TestNode, at, eventually, fixed_delay, fixed_rate};
use horolog::actors::job_manager::exclusions::{
    CalendarRequest, CreateBlackout, CreateCalendar, DeleteCalendar, SetBlackoutEnd, UpdateCalendar,
};
use horolog::actors::job_manager::{CommandError, CreateJob, DeleteJob};
use horolog::model::exclusions::{BlackoutEndPolicy, Scope};
use horolog::model::job::Job;
use horolog::model::job_request::JobRequest;
use serde_json::json;
use std::cell::Cell;

pub const TEN_MINUTES: i64 = 600;

pub fn calendar(rules: serde_json::Value) -> CalendarRequest {
    let rules = serde_json::from_value(rules).unwrap();
    CalendarRequest {
        name: "office".into(),
        description: None,
        time_zone: None,
        rules,
    }
}

/// Open until 07:15 and from 08:00 on.
fn breakfast() -> CalendarRequest {
    calendar(json!({"excludeWindows": [{"from": "07:15", "to": "08:00"}]}))
}

fn named(job: JobRequest) -> JobRequest {
    JobRequest {
        calendar: Some("office".into()),
        ..job
    }
}

pub fn blackout(scope: Scope, from: &str, to: &str, on_end: BlackoutEndPolicy) -> CreateBlackout {
    CreateBlackout {
        scope,
        starts_at: Some(at(from)),
        ends_at: at(to),
        on_end,
        reason: "database move".into(),
    }
}

/// Polls, runs and settles until nothing is due; how many ran.
pub async fn run(node: &TestNode) -> usize {
    let mut ran = 0;
    loop {
        let report = node.poll().await;
        ran += node.settle_all().await.settled;
        if report.triggers == 0 {
            return ran;
        }
    }
}

/// Polls every ten minutes, as many times.
pub async fn run_for(cluster: &TestCluster, node: &TestNode, polls: usize) -> usize {
    let mut ran = run(node).await;
    for _ in 0..polls {
        cluster.advance(600);
        ran += run(node).await;
    }
    ran
}

pub fn ran(time: &str) -> String {
    format!("SCHEDULE {time} SUCCESS attempt 1")
}

pub async fn triggers(cluster: &TestCluster, job: &Job) -> String {
    cluster.triggers(job).await.join("; ")
}

#[actix::test]
async fn fire_times_that_a_calendar_excludes_are_one_skipped_row() {
    let cluster = TestCluster::start().await;
    cluster.command(CreateCalendar(breakfast())).await;
    let job = cluster.create(named(fixed_rate(TEN_MINUTES))).await;
    let node = cluster.node().await;

    assert_eq!(run_for(&cluster, &node, 1).await, 2);
    assert_eq!(
        triggers(&cluster, &job).await,
        "SCHEDULE fires 08:00:00 due 08:00:00"
    );
    assert_eq!(run_for(&cluster, &node, 5).await, 1);

    let closed = "SCHEDULE 07:20:00 SKIPPED CALENDAR attempt 0, 4 times until 07:50:00";
    assert_eq!(
        cluster.ledger(&job).await,
        [&ran("07:00:00"), &ran("07:10:00"), closed, &ran("08:00:00")]
    );
    let reason = "select error_message from job_execution_log where status = 'SKIPPED'";
    assert_eq!(cluster.texts(reason, &[]).await, ["calendar office"]);
}

#[actix::test]
async fn an_edited_calendar_moves_what_is_pending_and_not_what_is_past() {
    let cluster = TestCluster::start().await;
    cluster.command(CreateCalendar(breakfast())).await;
    let job = cluster.create(named(fixed_rate(TEN_MINUTES))).await;
    let delay = cluster.create(named(fixed_delay(TEN_MINUTES))).await;
    let node = cluster.node().await;
    run_for(&cluster, &node, 3).await;
    assert_eq!(
        triggers(&cluster, &delay).await,
        "SCHEDULE fires 07:20:00 due 08:00:00"
    );

    cluster.advance(240);
    cluster
        .command(UpdateCalendar(calendar(json!({})), 0))
        .await;
    run(&node).await;

    let closed = "SCHEDULE 07:20:00 SKIPPED CALENDAR attempt 0, 2 times until 07:30:00";
    assert_eq!(
        cluster.ledger(&job).await,
        [&ran("07:00:00"), &ran("07:10:00"), closed]
    );
    assert_eq!(
        triggers(&cluster, &job).await,
        "SCHEDULE fires 07:40:00 due 07:40:00"
    );
    assert_eq!(
        cluster.ledger(&delay).await.last(),
        Some(&ran("07:20:00")),
        "a delay waits for the opening, and runs"
    );

    // Closed again before the next fire time: it is not run although it was to be.
    cluster
        .command(UpdateCalendar(
            calendar(json!({"excludeDates": ["2026-11-23"]})),
            1,
        ))
        .await;
    assert_eq!(run_for(&cluster, &node, 1).await, 0);
    let closed = "SCHEDULE 07:40:00 SKIPPED CALENDAR attempt 0";
    assert!(
        cluster
            .ledger(&job)
            .await
            .iter()
            .any(|row| row.starts_with(closed))
    );
    assert_eq!(
        cluster
            .texts(
                "select fire_time::text from job_trigger where id = $1",
                &[&job.id]
            )
            .await,
        ["2026-11-24 00:00:00+00"]
    );
}

#[actix::test]
async fn a_calendar_is_kept_as_long_as_jobs_name_it_and_edited_by_version() {
    let cluster = TestCluster::start().await;
    cluster.command(CreateCalendar(breakfast())).await;
    let job = cluster.create(named(fixed_rate(TEN_MINUTES))).await;

    let conflict = |result| matches!(result, Err(CommandError::Conflict(_)));
    assert!(conflict(
        cluster
            .try_command(CreateCalendar(breakfast()))
            .await
            .map(drop)
    ));
    assert!(conflict(
        cluster
            .try_command(UpdateCalendar(breakfast(), 7))
            .await
            .map(drop)
    ));
    assert!(conflict(
        cluster.try_command(DeleteCalendar("office".into())).await
    ));
    cluster.command(DeleteJob(job.id)).await;
    cluster.command(DeleteCalendar("office".into())).await;
    let gone = cluster.try_command(DeleteCalendar("office".into())).await;
    assert!(matches!(
        gone,
        Err(CommandError::NotFound {
            what: "calendar",
            ..
        })
    ));
}

#[actix::test]
async fn a_job_that_its_calendar_never_lets_fire_is_refused() {
    let cluster = TestCluster::start().await;
    let refused = async |request: JobRequest| match cluster.try_command(CreateJob(request)).await {
        Err(CommandError::Invalid(invalid)) => invalid.to_string(),
        other => panic!("refused, not {other:?}"),
    };
    assert_eq!(
        refused(named(fixed_rate(60))).await,
        "calendar: there is no calendar `office`"
    );
    cluster
        .command(CreateCalendar(calendar(
            json!({"includeDates": ["2020-01-01"]}),
        )))
        .await;
    let never = "calendar: excludes every fire time of the schedule that is in sight";
    assert_eq!(refused(named(fixed_rate(60))).await, never);
}

#[actix::test]
async fn a_lease_does_not_wait_for_a_change_of_exclusions() {
    let cluster = TestCluster::start().await;
    cluster.command(CreateCalendar(breakfast())).await;
    let job = cluster.create(named(fixed_rate(TEN_MINUTES))).await;
    let plain = cluster.create(fixed_rate(TEN_MINUTES)).await;
    let node = cluster.node().await;

    let lock = "select pg_advisory_lock(x'484f524f4c4f4701'::bigint)::text";
    cluster.texts(lock, &[]).await;
    // The second poll waits a moment for its turn.
    for _ in 0..2 {
        node.poll().await;
        node.settle_all().await;
        assert!(
            cluster.ledger(&job).await.is_empty(),
            "left for the next poll"
        );
        assert_eq!(
            cluster.ledger(&plain).await,
            [ran("07:00:00")],
            "the change does not concern it"
        );
    }
    cluster
        .texts(
            "select pg_advisory_unlock(x'484f524f4c4f4701'::bigint)::text",
            &[],
        )
        .await;
    assert_eq!(run(&node).await, 1);
}

#[actix::test]
async fn changes_without_a_pause_do_not_keep_leases_out() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(fixed_rate(TEN_MINUTES)).await;
    let blackout = cluster
        .command(blackout(
            Scope::Tag("none".into()),
            "07:00:00",
            "23:00:00",
            BlackoutEndPolicy::Skip,
        ))
        .await;
    let node = cluster.node().await;
    let done = Cell::new(false);
    let change = async || {
        while !done.get() {
            cluster
                .command(SetBlackoutEnd(blackout.id, Some(at("22:00:00"))))
                .await;
        }
    };
    let leases = async {
        for fires in 1..=5 {
            eventually("the job is leased", async || {
                node.poll().await;
                (cluster.ledger(&job).await.len() == fires).then_some(())
            })
            .await;
            node.settle_all().await;
            cluster.advance(600);
        }
        done.set(true);
    };
    futures_util::join!(change(), change(), change(), change(), leases);
}
