//! Fire times that have passed and are not taken, when a calendar or a blackout closes over them.

use super::jittery::{in_its_jitter, jittery};
use crate::support::{TestCluster, at, fixed_rate};
use horolog::actors::job_manager::UpdateJob;
use horolog::actors::job_manager::exclusions::{
    CalendarRequest, CreateBlackout, CreateCalendar, UpdateCalendar,
};
use horolog::model::exclusions::{BlackoutEndPolicy, Scope};
use horolog::model::job::Job;
use horolog::model::job_request::JobRequest;
use serde_json::json;

fn office(rules: serde_json::Value) -> CalendarRequest {
    let rules = serde_json::from_value(rules).unwrap();
    CalendarRequest {
        name: "office".into(),
        description: None,
        time_zone: None,
        rules,
    }
}

async fn black(cluster: &TestCluster, job: &Job, on_end: BlackoutEndPolicy) {
    let scope = Scope::Job(job.id);
    let (starts_at, ends_at) = (Some(at("07:00:02")), at("07:09:59"));
    cluster
        .command(CreateBlackout {
            scope,
            starts_at,
            ends_at,
            on_end,
            reason: "move".into(),
        })
        .await;
}

/// The fire time of 07:00 in the log, and whether it kept its due time.
async fn first(cluster: &TestCluster, job: &Job) -> Vec<String> {
    let rows = "select concat_ws(' ', kind, status, reason, due_time = $2) from job_execution_log
        where job_id = $1 and fire_time = '2026-11-23T07:00:00Z'";
    cluster
        .texts(
            rows,
            &[&job.id, &job.definition.due_time(job.id, at("07:00:00"))],
        )
        .await
}

#[actix::test]
async fn a_fire_time_in_its_jitter_runs_although_its_calendar_changes() {
    let cluster = TestCluster::start().await;
    cluster.command(CreateCalendar(office(json!({})))).await;
    let node = cluster.node().await;
    let job = in_its_jitter(
        &cluster,
        JobRequest {
            calendar: Some("office".into()),
            ..jittery()
        },
    )
    .await;
    cluster.advance(2);
    assert_eq!(node.poll().await.triggers, 0, "it waits");
    let closes = office(json!({"excludeWindows": [{"from": "07:00", "to": "08:00"}]}));
    cluster.command(UpdateCalendar(closes, 0)).await;

    cluster.advance(596);
    node.poll().await;
    node.settle_all().await;
    assert_eq!(first(&cluster, &job).await, ["SCHEDULE SUCCESS t"]);
    let rest = cluster.triggers(&job).await;
    assert!(
        rest[0].starts_with("SCHEDULE fires 08:00:00"),
        "those to come are closed: {rest:?}"
    );
}

/// A blackout defers everything that starts by schedule, also passed fire times: at its end its own
/// policy decides.
#[actix::test]
async fn a_blackout_over_a_due_time_skips_it_or_runs_it_at_the_end() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let mut jobs = Vec::new();
    for on_end in [
        BlackoutEndPolicy::Skip,
        BlackoutEndPolicy::Collapse,
        BlackoutEndPolicy::RunAll,
    ] {
        for is_edited in [false, true] {
            jobs.push((in_its_jitter(&cluster, jittery()).await, on_end, is_edited));
        }
    }
    cluster.advance(2);
    for (job, on_end, is_edited) in &jobs {
        if *is_edited {
            cluster
                .command(UpdateJob {
                    id: job.id,
                    request: fixed_rate(3_600),
                    version: 0,
                })
                .await;
        }
        black(&cluster, job, *on_end).await;
    }

    cluster.advance(570);
    node.poll().await;
    for (job, ..) in &jobs {
        assert!(
            first(&cluster, job)
                .await
                .iter()
                .all(|row| row.contains("SKIPPED")),
            "nothing starts"
        );
    }
    cluster.advance(28);
    node.poll().await;
    node.settle_all().await;
    for (job, on_end, is_edited) in &jobs {
        let row = first(&cluster, job).await.concat();
        let expected = if *on_end == BlackoutEndPolicy::Skip {
            "SCHEDULE SKIPPED CALENDAR"
        } else {
            "SCHEDULE SUCCESS"
        };
        assert!(row.starts_with(expected), "{on_end} {is_edited}: {row}");
    }
}
