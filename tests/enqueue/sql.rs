//! `horolog_enqueue`: a run is enqueued by the transaction of the caller, with a role that may do
//! nothing else.

use super::{enqueue, holders, keyed, on_demand};
use crate::support::access::namespace;
use crate::support::{TestCluster, TestDatabase};
use horolog::actors::job_manager::DeleteJob;
use horolog::model::job_request::JobRequest;
use horolog::model::target::Target;
use horolog::store::db::grants::Roles;
use horolog::store::db::migrate::migrate_for;
use serde_json::json;
use tokio_postgres::Client;
use uuid::Uuid;

const ENQUEUER: &str = "horolog_enqueuer";

const CREATE_ROLE: &str = "do $$ begin
    create role horolog_enqueuer login;
exception when duplicate_object or unique_violation then null;
end $$";

/// A session with the role of an enqueuer.
async fn enqueuer(database: &TestDatabase) -> Client {
    database
        .client()
        .await
        .batch_execute(CREATE_ROLE)
        .await
        .unwrap();
    let roles = Roles {
        enqueuer: Some(ENQUEUER.to_owned()),
        ..Roles::default()
    };
    migrate_for(&database.owner(), &roles).await.unwrap();
    let url = database
        .url()
        .replacen("//horolog@", &format!("//{ENQUEUER}@"), 1);
    let connected = tokio_postgres::connect(&url, tokio_postgres::NoTls).await;
    let (client, connection) = connected.unwrap();
    tokio::spawn(connection); // ends with the client
    client
}

async fn id(client: &Client, call: &str) -> Uuid {
    let row = client.query_one(&format!("select {call}"), &[]).await;
    row.unwrap().get(0)
}

/// The code, the column and the message of a refusal, which has a hint.
async fn refusal(client: &Client, call: &str) -> (String, String, String) {
    let error = client.query_one(&format!("select {call}"), &[]).await;
    let error = error.expect_err(call);
    let error = error.as_db_error().expect("an error of the server");
    assert!(error.hint().is_some_and(|hint| !hint.is_empty()), "{call}");
    (
        error.code().code().to_owned(),
        error.column().unwrap_or_default().to_owned(),
        error.message().to_owned(),
    )
}

#[actix::test]
async fn a_commit_makes_the_run_visible_and_a_rollback_removes_it() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(on_demand()).await;
    let client = enqueuer(&cluster.database).await;
    for end in ["rollback", "commit"] {
        client.batch_execute("begin").await.unwrap();
        let call = "horolog_enqueue('job', '{\"customer\": 7}', due_at => now() + interval '1 day',
            unique_key => 'k', priority => 9)";
        let run = id(&client, call).await;
        assert_eq!(id(&client, call).await, run, "the key of this transaction");
        assert_eq!(cluster.triggers(&job).await.len(), 0, "not committed");
        client.batch_execute(end).await.unwrap();
        let query =
            "select concat_ws(' ', id, kind, payload, unique_key, priority) from job_trigger";
        let wanted = match end {
            "commit" => vec![format!("{run} ENQUEUED {{\"customer\": 7}} k 9")],
            _ => Vec::new(),
        };
        assert_eq!(cluster.texts(query, &[]).await, wanted, "{end}");
        assert_eq!(holders(&cluster).await.len(), wanted.len(), "{end}");
    }
}

#[actix::test]
async fn the_keys_of_sql_and_of_the_api_are_the_same() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(on_demand()).await;
    let client = enqueuer(&cluster.database).await;
    let first = enqueue(&cluster, keyed(job.id)).await;
    let by_name = id(&client, "horolog_enqueue('job', unique_key => 'k')").await;
    let call = format!("horolog_enqueue('{}', unique_key => 'k')", job.id);
    let by_id = id(&client, &call).await;
    assert_eq!([by_name, by_id], [first.execution_id; 2]);
    let created = id(&client, "horolog_enqueue('job', unique_key => 'other')").await;
    let key = horolog::model::enqueue::EnqueueRequest {
        unique_key: Some("other".into()),
        ..keyed(job.id)
    };
    let second = enqueue(&cluster, key).await;
    assert_eq!((second.execution_id, second.is_created), (created, false));
}

#[actix::test]
async fn the_role_of_an_enqueuer_may_do_nothing_else() {
    let cluster = TestCluster::start().await;
    cluster.create(on_demand()).await;
    let client = enqueuer(&cluster.database).await;
    for statement in [
        "select id from job_definition",
        "select count(*) from job_trigger",
        "select count(*) from run_key",
        "insert into run_key values (gen_random_uuid(), 'k', gen_random_uuid())",
        "select * from enqueue_runs(now(), array[gen_random_uuid()], array[gen_random_uuid()],
            array[now()], array[null]::json[], array['k'], array[null]::smallint[])",
        "select drop_log_partition('2020-02-02')",
        "create table mine (id int)",
    ] {
        let refused = client.batch_execute(statement).await.expect_err(statement);
        let code = refused.code().expect("an error of the server");
        assert_eq!(code.code(), "42501", "{statement}");
    }
    // A table of the caller does not stand in for one of the schema.
    let shadow = "create temp table job_definition as select gen_random_uuid() as id, 'x' as name";
    client.batch_execute(shadow).await.unwrap();
    id(&client, "horolog_enqueue('job')").await;
    // Without the grant no role may call it.
    let revoke = "revoke all on function
        horolog_enqueue(text, jsonb, timestamptz, text, integer, text) from horolog_enqueuer";
    cluster
        .database
        .client()
        .await
        .batch_execute(revoke)
        .await
        .unwrap();
    let refused = client.batch_execute("select horolog_enqueue('job')").await;
    assert_eq!(refused.unwrap_err().code().unwrap().code(), "42501");
}

#[actix::test]
async fn a_bad_argument_is_refused_with_its_name_and_a_hint() {
    let cluster = TestCluster::start().await;
    cluster.create(on_demand()).await;
    let twice = JobRequest {
        name: "twice".into(),
        ..on_demand()
    };
    cluster.create(twice.clone()).await;
    cluster.create(twice).await;
    let get = json!({"http": {"url": "http://example.com/", "method": "GET", "timeoutSeconds": 5}});
    let get: Target = serde_json::from_value(get["http"].clone())
        .map(Target::Http)
        .unwrap();
    let get = JobRequest {
        name: "get".into(),
        target: get,
        ..on_demand()
    };
    cluster.create(get).await;
    let client = enqueuer(&cluster.database).await;
    for (call, code, column) in [
        ("horolog_enqueue(null)", "HL001", "job"),
        ("horolog_enqueue('unknown')", "HL002", "job"),
        ("horolog_enqueue('JOB')", "HL002", "job"),
        (
            "horolog_enqueue('job', namespace => 'other')",
            "HL002",
            "job",
        ),
        (
            "horolog_enqueue('00000000-0000-0000-0000-000000000000')",
            "HL002",
            "job",
        ),
        ("horolog_enqueue('twice')", "HL003", "job"),
        (
            "horolog_enqueue('job', due_at => 'infinity')",
            "HL001",
            "due_at",
        ),
        (
            "horolog_enqueue('job', due_at => now() + interval '11 years')",
            "HL001",
            "due_at",
        ),
        (
            "horolog_enqueue('job', unique_key => repeat('k', 201))",
            "HL001",
            "unique_key",
        ),
        (
            "horolog_enqueue('job', unique_key => ' ')",
            "HL001",
            "unique_key",
        ),
        (
            "horolog_enqueue('job', unique_key => E'a\\nb')",
            "HL001",
            "unique_key",
        ),
        (
            "horolog_enqueue('job', priority => 10)",
            "HL001",
            "priority",
        ),
        (
            "horolog_enqueue('job', to_jsonb(repeat('x', 262143)))",
            "HL001",
            "payload",
        ),
        (
            "horolog_enqueue('job', (repeat('[', 65) || repeat(']', 65))::jsonb)",
            "HL001",
            "payload",
        ),
        (
            "horolog_enqueue('job', '{\"a\": \"${secret:x}\"}')",
            "HL001",
            "payload",
        ),
        ("horolog_enqueue('get', '1')", "HL001", "payload"),
    ] {
        let (seen, named, message) = refusal(&client, call).await;
        assert_eq!(
            (seen.as_str(), named.as_str()),
            (code, column),
            "{call}: {message}"
        );
        assert!(message.starts_with(&format!("{column}: ")), "{message}");
    }
    assert_eq!(cluster.dump("job_trigger").await, Vec::<String>::new());
    for call in [
        "horolog_enqueue('job', due_at => '-infinity')",
        "horolog_enqueue('job', unique_key => repeat('k', 200))",
        "horolog_enqueue('job', to_jsonb(repeat('x', 262142)))",
        "horolog_enqueue('job', (repeat('[', 64) || '1' || repeat(']', 64))::jsonb)",
        "horolog_enqueue('get', 'null')",
    ] {
        id(&client, call).await;
    }
}

#[actix::test]
async fn a_name_is_one_of_its_namespace() {
    let cluster = TestCluster::start().await;
    namespace(&cluster.sql, "team").await;
    let of_team = JobRequest {
        namespace: Some("team".into()),
        ..on_demand()
    };
    let of_team = cluster.create(of_team).await;
    let of_default = cluster.create(on_demand()).await;
    let client = enqueuer(&cluster.database).await;
    id(&client, "horolog_enqueue('job', namespace => 'team')").await;
    assert_eq!(cluster.triggers(&of_team).await.len(), 1);
    id(&client, "horolog_enqueue('job')").await;
    assert_eq!(cluster.triggers(&of_default).await.len(), 1);
}

/// The caller keeps its transaction open, and no command waits for it.
#[actix::test]
async fn a_run_that_is_enqueued_during_the_deletion_of_its_job_is_recorded() {
    let cluster = TestCluster::start().await;
    let node = cluster.node().await;
    let job = cluster.create(on_demand()).await;
    let client = enqueuer(&cluster.database).await;
    client.batch_execute("begin").await.unwrap();
    let run = id(&client, "horolog_enqueue('job', unique_key => 'k')").await;

    cluster.command(DeleteJob(job.id)).await;
    client.batch_execute("commit").await.unwrap();

    assert!(node.lease().await.is_empty());
    let report = node.reconcile().await;
    let freed_by_sweep = report.swept.freed_keys;
    assert_eq!((report.repairs.unwrap().stopped, freed_by_sweep), (1, 0));
    let recorded = "select concat_ws(' ', id, kind, status, reason) from job_execution_log";
    assert_eq!(
        cluster.texts(recorded, &[]).await,
        [format!("{run} ENQUEUED SKIPPED DELETED")]
    );
    assert_eq!(holders(&cluster).await, Vec::<String>::new());
    let refused = refusal(&client, "horolog_enqueue('job')").await;
    assert_eq!(refused.0, "HL002");
}

/// A caller that reads as of its first statement learns of a conflict by the code of PostgreSQL.
#[actix::test]
async fn a_key_that_a_snapshot_does_not_show_is_a_serialization_failure() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(on_demand()).await;
    let client = enqueuer(&cluster.database).await;
    let begin = "begin isolation level repeatable read; select 1";
    client.batch_execute(begin).await.unwrap();
    enqueue(&cluster, keyed(job.id)).await;
    let refused = client
        .batch_execute("select horolog_enqueue('job', unique_key => 'k')")
        .await;
    assert_eq!(refused.unwrap_err().code().unwrap().code(), "40001");
}
