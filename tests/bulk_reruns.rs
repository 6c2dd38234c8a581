//! Reruns of all executions of a filter: how many at once, and over GraphQL.

use crate::api_node::ApiNode;
use crate::reruns::{everything, refusal, rerun, rerun_all, with_failure};
use crate::support::{TestCluster, eventually, fixed_rate};
use horolog::actors::job_manager::CommandError;
use horolog::actors::job_manager::executions::{RerunExecutions, RerunReport};
use horolog::model::job::Job;
use horolog::model::lists::ExecutionFilter;
use horolog::model::policies::OverlapPolicy;
use serde_json::json;
use uuid::Uuid;

/// `count` executions of the job that have failed, a second apart.
async fn failures(cluster: &TestCluster, job: &Job, count: i32) {
    let failures = "insert into job_execution_log (id, job_id, kind, fire_time, due_time, status,
        reason, attempt, error_message, finished_at, created_at)
        select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || repeat('0',
        20))::uuid, $1, 'SCHEDULE', at, at, 'FAILED', 'ERROR', 1, 'e', at, at
        from (select timestamptz '2026-11-22T00:00Z' + n * interval '1 second' as at
        from generate_series(1, $2::int) n) x";
    cluster.execute(failures, &[&job.id, &count]).await;
}

#[actix::test]
async fn a_thousand_run_again_at_once_and_a_thousand_more_each_second() {
    let (cluster, job, _, _) = with_failure(OverlapPolicy::Allow).await;
    failures(&cluster, &job, 2_500).await;
    let of = |dry_run| RerunExecutions {
        filter: everything(),
        jobs: None,
        dry_run,
    };
    let expected = RerunReport {
        matched: 2_501,
        reruns: 2_501,
        ..RerunReport::default()
    };
    assert_eq!(cluster.command(of(true)).await, expected);
    assert_eq!(cluster.triggers(&job).await.len(), 1, "nothing is done");
    assert_eq!(cluster.command(of(false)).await, expected);
    let due = "select to_char(due_at, 'HH24:MI:SS ') || count(*) from job_trigger \
        where kind = 'RERUN' group by due_at order by due_at";
    assert_eq!(
        cluster.texts(due, &[]).await,
        ["07:10:00 1000", "07:10:01 1000", "07:10:02 501"]
    );
    let oldest = "select fire_time::date::text from job_trigger where kind = 'RERUN' \
        order by due_at, fire_time limit 1";
    assert_eq!(
        cluster.texts(oldest, &[]).await,
        ["2026-11-22"],
        "oldest first"
    );
}

#[actix::test]
async fn too_many_are_refused_and_none_runs() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(fixed_rate(3_600)).await;
    failures(&cluster, &job, 10_001).await;
    let refused = cluster
        .try_command(RerunExecutions {
            filter: everything(),
            jobs: None,
            dry_run: false,
        })
        .await;
    assert!(
        matches!(&refused, Err(CommandError::Invalid(invalid)) if invalid.field == "filter"),
        "{refused:?}"
    );
    assert_eq!(cluster.triggers(&job).await.len(), 1);
    let from = Some("2026-11-22T00:00:02Z".parse().unwrap());
    assert_eq!(
        rerun_all(
            &cluster,
            ExecutionFilter {
                from,
                ..everything()
            }
        )
        .await
        .reruns,
        10_000
    );
}

#[actix::test]
async fn no_rerun_is_made_while_an_older_node_runs() {
    let (cluster, _, _, id) = with_failure(OverlapPolicy::Allow).await;
    let older = "insert into cluster_node (id, name, address, version, state, lock_key, slots,
        started_at, heartbeat_at, session_at, protocol)
        values (gen_random_uuid(), 'older', 'a:1', '0', $1, 1, 1, now(), now(), now(), 2)";
    cluster.execute(older, &[&"DEAD"]).await;
    let again = rerun(&cluster, id).await;
    cluster.execute(older, &[&"ACTIVE"]).await;
    assert!(refusal(&cluster, id).await.contains("older"));
    assert_eq!(
        cluster
            .texts("select id::text from job_trigger where kind = 'RERUN'", &[])
            .await,
        [again.id.to_string()]
    );
}

#[actix::test]
async fn executions_run_again_over_graphql_and_say_what_they_repeat() {
    let node = ApiNode::start().await;
    let job = json!({"name": "failing", "scheduleType": "FIXED_RATE", "intervalSeconds": 3600,
        "target": {"http": {"url": "http://127.0.0.1:1/"}}});
    let job = node.create(job).await;
    let page = "query { executionsPage { nodes { id status kind repeats repeatedBy payload } } }";
    let rows = async |count: usize| {
        eventually("they have failed", async || {
            let rows = node.data(page, json!({})).await["executionsPage"]["nodes"].take();
            let rows = rows.as_array().unwrap().clone();
            (rows.len() == count && rows.iter().all(|row| row["status"] == "FAILED"))
                .then_some(rows)
        })
        .await
    };
    let first = rows(1).await.remove(0);
    assert_eq!(
        (&first["repeats"], &first["repeatedBy"]),
        (&json!(null), &json!([]))
    );

    let rerun = "mutation($id: ID!) { rerunExecution(id: $id) { id created } }";
    let again = node.data(rerun, json!({"id": first["id"]})).await["rerunExecution"].take();
    assert_eq!(again["created"], true);
    let both = rows(2).await;
    assert_eq!(
        (&both[0]["id"], &both[0]["repeats"], &both[0]["kind"]),
        (&again["id"], &first["id"], &json!("RERUN"))
    );
    assert_eq!(both[1]["repeatedBy"], json!([again["id"]]));

    let all = "mutation($filter: ExecutionFilter, $dry: Boolean!) {
        rerunExecutions(filter: $filter, dryRun: $dry) { matched reruns underWay repeated
        ofDeletedJobs ranges } }";
    let expected = json!({"matched": 2, "reruns": 1, "underWay": 0, "repeated": 1,
        "ofDeletedJobs": 0, "ranges": 0});
    for dry in [true, false] {
        let report = node
            .data(all, json!({"filter": {"jobId": job}, "dry": dry}))
            .await;
        assert_eq!(report["rerunExecutions"], expected, "{dry}");
    }
    rows(3).await;
    assert_eq!(
        node.error(all, json!({"filter": {}, "dry": true})).await["extensions"]["field"],
        "filter"
    );
    let unknown = node.error(rerun, json!({"id": Uuid::nil()})).await;
    assert_eq!(unknown["extensions"]["code"], "NOT_FOUND");
}
