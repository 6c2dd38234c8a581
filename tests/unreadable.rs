//! An unreadable row affects its own job alone, in every reader. The values come by SQL: another
//! version, a restored backup or a session of psql may have written them.

use crate::api_node::ApiNode;
use crate::support::{TestCluster, TestNode, fixed_rate};
use horolog::model::job::Job;
use horolog::model::lists::JobFilter;
use horolog::store::StoreError;
use horolog::store::jobs::job_rows::JobParts;
use horolog::store::queries::changes::JobsSeen;
use horolog::store::queries::executions::ExecutionTexts;
use serde_json::json;
use tokio_postgres::Client;
use uuid::Uuid;

/// Policies of another shape.
const ODD_POLICIES: &str = "policies = '[1]'";

/// Payloads that no reader of numbers or of recursive values can hold: they are passed on as text.
const ODD_PAYLOADS: [&str; 2] = [
    r#"payload = '{"v": 17976931348623157e400}'"#,
    "payload = (repeat('[', 200) || repeat(']', 200))::json",
];

/// Statements that make a job unreadable, and the part of the row that the reason names.
const ODD_JOBS: [(&str, &str); 10] = [
    (ODD_POLICIES, "column policies"),
    (
        r#"policies = '{"retry": {"maxBackoffSeconds": -1}}'"#,
        "retry.maxBackoffSeconds",
    ),
    (r#"policies = '{"jitterSeconds": 1e99}'"#, "column policies"),
    (
        r#"policies = '{"endAt": "+262000-01-01T00:00:00Z"}'"#,
        "endAt",
    ),
    (
        r#"policies = '{"timeoutSeconds": "soon"}'"#,
        "column policies",
    ),
    (r#"target = '{"teleport": {}}'"#, "teleport"),
    (
        "interval_seconds = 9223372036854775807",
        "column interval_seconds",
    ),
    ("anchor_at = 'infinity'", "column anchor_at"),
    ("created_at = '-infinity'", "column created_at"),
    ("updated_at = '20000-01-01'", "column updated_at"),
];

/// Two jobs that are due in a minute.
async fn two_jobs(cluster: &TestCluster) -> (Job, Job) {
    (
        cluster.create(fixed_rate(60)).await,
        cluster.create(fixed_rate(60)).await,
    )
}

async fn change(sql: &Client, table: &str, change: &str, id: Uuid) {
    let change = format!("update {table} set {change} where id = $1");
    assert_eq!(sql.execute(&change, &[&id]).await.unwrap(), 1, "{change}");
}

async fn leased(node: &TestNode) -> Vec<Uuid> {
    node.lease()
        .await
        .iter()
        .map(|attempt| attempt.job_id)
        .collect()
}

#[actix::test]
async fn an_unreadable_job_is_shown_with_the_reason_and_stops_no_other() {
    for (odd, named) in ODD_JOBS {
        let cluster = TestCluster::start().await;
        let (unreadable, readable) = two_jobs(&cluster).await;
        let mut seen = JobsSeen::default();
        cluster.store.changed_jobs(&mut seen).await.unwrap();
        change(&cluster.sql, "job_definition", odd, unreadable.id).await;
        let node = cluster.node().await;
        cluster.advance(60);

        assert_eq!(leased(&node).await, [readable.id], "{odd}");

        let error = node.store.job(unreadable.id).await.unwrap_err();
        assert!(
            matches!(error, StoreError::Unreadable { .. }) && !error.is_passing(),
            "{odd}: {error}"
        );
        assert!(error.to_string().contains(named), "{odd}: {error}");
        let listed: Vec<Uuid> = node
            .store
            .newest_jobs(10, JobParts::All)
            .await
            .unwrap()
            .iter()
            .map(|job| job.id)
            .collect();
        assert_eq!(listed, [readable.id], "{odd}");
        let overview = node.store.overview().await.unwrap();
        let shown = overview
            .attention
            .iter()
            .find(|shown| shown.kind == "UNREADABLE")
            .unwrap();
        assert_eq!(shown.job_id, Some(unreadable.id), "{odd}");
        assert!(shown.message.contains(named), "{odd}: {}", shown.message);
        node.store.changed_jobs(&mut seen).await.unwrap();
        node.store.schedules(&JobFilter::default()).await.unwrap();
        assert!(node.reconcile().await.repairs.is_some(), "{odd}");
    }
}

#[actix::test]
async fn a_payload_that_is_no_json_for_readers_is_passed_on_as_text() {
    for odd in ODD_PAYLOADS {
        let cluster = TestCluster::start().await;
        let (first, second) = two_jobs(&cluster).await;
        change(&cluster.sql, "job_definition", odd, first.id).await;
        let node = cluster.node().await;
        cluster.advance(60);

        let mut due = leased(&node).await;
        due.sort();

        assert_eq!(due, [first.id, second.id], "{odd}");
        assert_eq!(
            node.store
                .newest_jobs(10, JobParts::All)
                .await
                .unwrap()
                .len(),
            2,
            "{odd}"
        );
        let versions = node.store.job_versions(first.id, 10).await.unwrap();
        assert_eq!(versions.len(), 1, "{odd}");
    }
}

#[actix::test]
async fn a_trigger_that_cannot_be_read_costs_its_job_alone() {
    for odd in [
        "fire_time = '-infinity'",
        "excluded_from = 'infinity'",
        "kind = 'LUNAR', id = job_id",
    ] {
        let cluster = TestCluster::start().await;
        cluster
            .sql
            .batch_execute("alter table job_trigger drop constraint job_trigger_kind_check")
            .await
            .unwrap();
        let (unreadable, readable) = two_jobs(&cluster).await;
        let node = cluster.node().await;
        change(&cluster.sql, "job_trigger", odd, unreadable.id).await;
        cluster.advance(60);

        assert_eq!(leased(&node).await, [readable.id], "{odd}");

        let overview = node.store.overview().await.unwrap();
        assert!(
            overview
                .attention
                .iter()
                .any(|shown| shown.job_id == Some(unreadable.id) && shown.kind == "UNREADABLE")
        );
    }
}

#[actix::test]
async fn an_infinite_due_time_hides_no_other_and_stops_no_poll() {
    let cluster = TestCluster::start().await;
    let (odd, readable) = two_jobs(&cluster).await;
    for due_at in ["infinity", "-infinity", "20000-01-01"] {
        change(
            &cluster.sql,
            "job_trigger",
            &format!("due_at = '{due_at}'"),
            odd.id,
        )
        .await;
        let node = cluster.node().await;
        cluster.advance(60);
        node.leases.peek().await.unwrap();
        assert_eq!(leased(&node).await, [readable.id], "{due_at}");
        node.store.backlog().await.unwrap();
        node.store.overview().await.unwrap();
    }
}

#[actix::test]
async fn a_calendar_or_blackout_that_cannot_be_read_stops_only_its_jobs() {
    let cluster = TestCluster::start().await;
    let (odd, readable) = two_jobs(&cluster).await;
    let exclusions = "alter table blackout drop constraint blackout_on_end_check;
insert into calendar (name, time_zone, rules, created_at, updated_at)
    values ('odd', 'UTC', '[1]', now(), now());
insert into blackout (id, scope, job_id, starts_at, ends_at, on_end, reason, created_at)
    values (gen_random_uuid(), 'JOB', (select id from job_definition limit 1), '-infinity',
    'infinity', 'DANCE', 'x', now())";
    cluster.sql.batch_execute(exclusions).await.unwrap();
    let blacked_out = "update blackout set job_id = $1";
    cluster.sql.execute(blacked_out, &[&odd.id]).await.unwrap();
    let node = cluster.node().await;
    cluster.advance(60);
    assert_eq!(
        leased(&node).await,
        [readable.id],
        "the blackout cannot be read"
    );

    change(
        &cluster.sql,
        "job_definition",
        "calendar = 'odd'",
        readable.id,
    )
    .await;
    cluster
        .sql
        .execute("delete from blackout", &[])
        .await
        .unwrap();
    let fresh = cluster.node().await;
    cluster.advance(60);
    assert_eq!(leased(&fresh).await, [odd.id], "nor can the calendar");
    assert_eq!(fresh.store.calendars(10).await.unwrap().len(), 0);
    assert_eq!(fresh.store.blackouts(10).await.unwrap().len(), 0);
}

#[actix::test]
async fn a_blackout_without_end_defers_until_the_last_possible_instant() {
    let cluster = TestCluster::start().await;
    let (held_back, readable) = two_jobs(&cluster).await;
    let blackout = "insert into blackout (id, scope, job_id, starts_at, ends_at, on_end,
        reason, created_at)
values (gen_random_uuid(), 'JOB', $1, '-infinity', 'infinity', 'SKIP', 'for ever', now())";
    cluster
        .sql
        .execute(blackout, &[&held_back.id])
        .await
        .unwrap();
    let node = cluster.node().await;
    cluster.advance(60);

    assert_eq!(leased(&node).await, [readable.id]);

    assert_eq!(
        node.store.blackouts(10).await.unwrap()[0]
            .ends_at
            .to_string(),
        "9999-12-31 23:59:59.999999 UTC"
    );
}

#[actix::test]
async fn a_backfill_that_cannot_be_read_is_left_as_it_is() {
    let cluster = TestCluster::start().await;
    let (odd, readable) = two_jobs(&cluster).await;
    let backfill = "with made as (
    insert into job_backfill (id, job_id, starts_at, ends_at, fire_times, overlap_policy,
    fires_per_minute, created_at)
    values (gen_random_uuid(), $1, '2026-11-20', 'infinity', 9, 'ALLOW', 60,
    '2026-11-20') returning id, job_id
) insert into job_trigger (id, job_id, kind, fire_time, due_at, priority)
select id, job_id, 'BACKFILL', '2026-11-20', '2026-11-20', 5 from made";
    cluster.sql.execute(backfill, &[&odd.id]).await.unwrap();
    let node = cluster.node().await;
    cluster.advance(60);

    assert_eq!(leased(&node).await, [readable.id]);

    assert_eq!(
        cluster.triggers(&odd).await.len(),
        2,
        "the trigger of the backfill is still there"
    );
    assert_eq!(node.store.backfills(None, 10).await.unwrap().len(), 0);
}

#[actix::test]
async fn unreadable_executions_and_versions_are_left_out_of_lists() {
    let cluster = TestCluster::start().await;
    let (job, _) = two_jobs(&cluster).await;
    let node = cluster.node().await;
    cluster.advance(60);
    node.poll().await;
    node.settle_all().await;
    cluster.advance(60);
    node.poll().await;
    node.settle_all().await;
    let before = node
        .store
        .executions_of(job.id, 10, ExecutionTexts::All)
        .await
        .unwrap()
        .len();

    let odd = "update job_execution_log set finished_at = 'infinity'
where id = (select id from job_execution_log where job_id = $1 order by id desc limit 1)";
    cluster.sql.execute(odd, &[&job.id]).await.unwrap();
    let odd = "update job_definition_version set changed_at = 'infinity' where job_id = $1";
    cluster.sql.execute(odd, &[&job.id]).await.unwrap();

    assert_eq!(
        node.store
            .executions_of(job.id, 10, ExecutionTexts::All)
            .await
            .unwrap()
            .len(),
        before - 1
    );
    assert_eq!(
        node.store
            .first_pages(&[job.id], 10, ExecutionTexts::None)
            .await
            .unwrap()[&job.id]
            .rows
            .len(),
        before - 1
    );
    assert_eq!(node.store.job_versions(job.id, 10).await.unwrap().len(), 0);
    node.store.overview().await.unwrap();
}

#[actix::test]
async fn the_api_names_an_unreadable_job_with_the_reason() {
    let node = ApiNode::start().await;
    let input =
        |name: &str| json!({"name": name, "scheduleType": "FIXED_RATE", "intervalSeconds": 3600});
    let odd = node.create(input("odd")).await;
    node.create(input("plain")).await;
    change(
        &node.database.client().await,
        "job_definition",
        ODD_POLICIES,
        odd.parse().unwrap(),
    )
    .await;

    let error = node
        .error(
            "query($id: ID!) { job(id: $id) { id } }",
            json!({ "id": odd }),
        )
        .await;

    assert_eq!(error["extensions"]["code"], "UNREADABLE", "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains(&odd) && message.contains("column policies"),
        "{message}"
    );
    let lists = "{ jobs { name payload } jobsPage(first: 5) { nodes { name } } overview { \
        attention { kind message } } }";
    let lists = node.data(lists, json!({})).await;
    assert_eq!(lists["jobs"], json!([{"name": "plain", "payload": null}]));
    assert_eq!(lists["jobsPage"]["nodes"], json!([{"name": "plain"}]));
    assert_eq!(lists["overview"]["attention"][0]["kind"], "UNREADABLE");
    let delete = "mutation($id: ID!) { deleteJob(id: $id) }";
    assert_eq!(
        node.data(delete, json!({ "id": odd })).await["deleteJob"],
        true
    );
}
