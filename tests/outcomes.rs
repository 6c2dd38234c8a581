//! The outcomes of executions over time: one for each cell, by importance, for every job.

use crate::api_node::ApiNode;
use crate::statements::{FILL, plan};
use crate::support::TestCluster;
use horolog::store::queries::outcomes::{FAILED, NEWEST};
use serde_json::{Value, json};

const QUERY: &str = "query($minutes: Int!, $cells: Int!) { jobsPage(orderBy: NAME) { nodes { name
    recentOutcomes(minutes: $minutes, cells: $cells) { from to failuresFrom
        cells { cell executionId status reason at durationMillis several failures } } } } }";

/// Executions of a job, from $2 to $3 seconds ago in steps of $4 seconds, each $5 seconds long.
const RUN: &str = "insert into job_execution_log
    (id, job_id, kind, fire_time, due_time, status, reason, attempt, started_at, finished_at,
    error_message, created_at)
select (lpad(to_hex((extract(epoch from l.at) * 1000)::bigint), 12,
'0') || substr(md5(j.id || l.at::text), 1, 20))::uuid, j.id,
    'SCHEDULE', l.at, l.at, $6::text, case when $6 = 'FAILED' then 'ERROR' end, 1, l.at,
    l.at + make_interval(secs => $5),
    case when $6 = 'FAILED' then 'answered 503' end, l.at
from job_definition j, generate_series(now() - make_interval(secs => $2),
now() - make_interval(secs => $3),
    make_interval(secs => $4)) as l (at)
where j.name = $1";

struct Cluster {
    node: ApiNode,
    sql: tokio_postgres::Client,
}

impl Cluster {
    /// Jobs that do not fire by themselves.
    async fn with(jobs: &[&str]) -> Self {
        let node = ApiNode::start().await;
        for name in jobs {
            let later = json!({"scheduleType": "FIXED_RATE", "intervalSeconds": 3600,
                "initialDelaySeconds": 86400});
            let mut job = json!({"name": name});
            job.as_object_mut()
                .unwrap()
                .extend(later.as_object().unwrap().clone());
            node.create(job).await;
        }
        let sql = node.database.client().await;
        Self { node, sql }
    }

    async fn ran(&self, job: &str, [first, last, step, lasts]: [f64; 4], status: &str) {
        self.sql
            .execute(RUN, &[&job, &first, &last, &step, &lasts, &status])
            .await
            .unwrap();
    }

    /// What each job shows of the last minutes, by name.
    async fn outcomes(&self, minutes: i32, cells: i32) -> Vec<Value> {
        let mut answer = self
            .node
            .data(QUERY, json!({"minutes": minutes, "cells": cells}))
            .await;
        let jobs: Vec<Value> = serde_json::from_value(answer["jobsPage"]["nodes"].take()).unwrap();
        jobs.into_iter()
            .map(|mut job| job["recentOutcomes"].take())
            .collect()
    }
}

fn cells(outcomes: &Value) -> &[Value] {
    outcomes["cells"].as_array().unwrap()
}

#[actix::test]
async fn a_cell_shows_what_failed_in_it_else_the_newest() {
    let cluster = Cluster::with(&["a busy", "b rare", "c long", "d idle", "e over"]).await;
    // Shorter than a moment: none reaches into the axis.
    cluster
        .ran("a busy", [7_200.0, 5.0, 10.0, 0.0], "SUCCESS")
        .await;
    cluster
        .ran("a busy", [1_803.0, 1_802.0, 1.0, 1.0], "FAILED")
        .await;
    cluster
        .ran("b rare", [1_200.0, 1_199.0, 60.0, 3.0], "SUCCESS")
        .await;
    cluster
        .ran("c long", [7_000.0, 6_999.0, 60.0, 6_000.0], "SUCCESS")
        .await;
    cluster
        .ran("e over", [7_000.0, 6_999.0, 60.0, 10.0], "SUCCESS")
        .await;

    let all = cluster.outcomes(60, 6).await;

    let [busy, rare, long, idle, over] = all.as_slice() else {
        panic!("{all:?}")
    };
    assert_eq!(busy["failuresFrom"], busy["from"]);
    // An execution that started before the axis has ended before it.
    let numbers: Vec<i64> = cells(busy)
        .iter()
        .map(|cell| cell["cell"].as_i64().unwrap())
        .collect();
    assert!(
        numbers == [0, 1, 2, 3, 4, 5] || numbers == [0, 1, 2, 3, 4],
        "{numbers:?}"
    );
    let (bad, good): (Vec<&Value>, _) = cells(busy).iter().partition(|cell| cell["failures"] != 0);
    // Both may lie in one cell, or on both sides of a bound.
    assert_eq!(
        bad.iter()
            .map(|cell| cell["failures"].as_i64().unwrap())
            .sum::<i64>(),
        2
    );
    assert!(bad.iter().all(|cell| cell["status"] == "FAILED"
        && cell["reason"] == "ERROR"
        && cell["several"] == true));
    assert!(
        good.iter().all(|cell| cell["status"] == "SUCCESS"),
        "{good:?}"
    );
    assert!(
        good[..3].iter().all(|cell| cell["several"] == true),
        "{good:?}"
    );
    let of_rare = cells(rare);
    assert_eq!(of_rare.len(), 1);
    assert_eq!(
        (&of_rare[0]["several"], &of_rare[0]["failures"]),
        (&json!(false), &json!(0))
    );
    assert_eq!(of_rare[0]["durationMillis"], 3_000);
    assert_eq!(
        cells(long)
            .iter()
            .map(|cell| cell["cell"].clone())
            .collect::<Vec<_>>(),
        [json!(-1)]
    );
    assert_eq!((cells(idle).len(), cells(over).len()), (0, 0));
}

#[actix::test]
async fn a_running_execution_is_shown_however_old() {
    let cluster = Cluster::with(&["runs"]).await;
    cluster
        .ran("runs", [7_200.0, 7_199.0, 60.0, 1.0], "SUCCESS")
        .await;
    let running = "update job_execution_log set status = 'RUNNING', finished_at = null";
    cluster.sql.execute(running, &[]).await.unwrap();

    let outcomes = cluster.outcomes(60, 6).await.remove(0);

    let [cell] = cells(&outcomes) else {
        panic!("{outcomes}")
    };
    assert_eq!(
        (&cell["cell"], &cell["status"], &cell["durationMillis"]),
        (&json!(-1), &json!("RUNNING"), &Value::Null)
    );
}

#[actix::test]
async fn a_flood_of_failures_shows_from_when_on_it_is_complete() {
    let cluster = Cluster::with(&["a quiet", "b storm"]).await;
    cluster
        .ran("a quiet", [3_000.0, 2_995.0, 1.0, 1.0], "SUCCESS")
        .await;
    cluster
        .ran("a quiet", [3_000.5, 3_000.0, 1.0, 1.0], "FAILED")
        .await;
    cluster
        .ran("b storm", [1_201.0, 1.0, 0.2, 0.1], "FAILED")
        .await;

    // The axis begins at a multiple of a cell's length: at least an hour ago.
    let all = cluster.outcomes(120, 2).await;

    let time = |value: &Value| {
        value
            .as_str()
            .unwrap()
            .parse::<chrono::DateTime<chrono::Utc>>()
            .unwrap()
    };
    for outcomes in &all {
        let hidden = time(&outcomes["failuresFrom"]) - time(&outcomes["from"]);
        assert!(hidden > chrono::TimeDelta::minutes(20), "{outcomes}");
    }
    let quiet: i64 = cells(&all[0])
        .iter()
        .map(|cell| cell["failures"].as_i64().unwrap())
        .sum();
    let storm: i64 = cells(&all[1])
        .iter()
        .map(|cell| cell["failures"].as_i64().unwrap())
        .sum();
    assert_eq!(quiet, 0, "the failure is not among the newest of all");
    // In a deeper cell, the newest is still seen.
    assert!((5_000..=5_001).contains(&storm), "{storm}");
}

#[actix::test]
async fn an_axis_that_is_too_long_is_refused_at_its_field() {
    let cluster = Cluster::with(&["job"]).await;
    for (minutes, cells, field) in [
        (0, 1, "minutes"),
        (1_441, 1, "minutes"),
        (60, 0, "cells"),
        (60, 101, "cells"),
    ] {
        let error = cluster
            .node
            .error(QUERY, json!({"minutes": minutes, "cells": cells}))
            .await;
        assert_eq!(
            (&error["extensions"]["code"], &error["extensions"]["field"]),
            (&json!("BAD_USER_INPUT"), &json!(field))
        );
    }
}

#[actix::test]
async fn cells_are_looked_up_in_the_indexes_of_their_days() {
    let cluster = TestCluster::start().await;
    cluster.sql.batch_execute(FILL).await.unwrap();
    cluster
        .sql
        .batch_execute("set plan_cache_mode = force_generic_plan")
        .await
        .unwrap();
    for (statement, index) in [(NEWEST, "job_id_id_idx"), (FAILED, "id_idx")] {
        let plan = plan(&cluster, statement.sql()).await;
        assert!(
            !plan.contains("Seq Scan on job_execution_log") && plan.contains(index),
            "{plan}"
        );
        assert!(plan.contains("Subplans Removed"), "{plan}");
    }
}
