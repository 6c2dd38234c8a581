//! Nodes of two versions on one database.

use super::node_process::{NodeProcess, Processes};
use crate::support::{TestDatabase, eventually};
use rustix::process::Signal;
use serde_json::json;

/// Changes of the schema that a later version may make without a word to the nodes of this one:
/// more tables, columns with defaults, indexes.
const EXPANSION: &str = "
alter table job_definition add column of_the_future text not null default 'new';
alter table job_trigger add column of_the_future integer not null default 0;
alter table job_execution_log add column of_the_future jsonb;
alter table cluster_node add column of_the_future text;
create table job_of_the_future (id uuid primary key);
create index job_definition_of_the_future on job_definition (of_the_future);
insert into horolog_migration (version, name, applied_on, checksum)
select 900, 'of_the_future', applied_on, '4711' from horolog_migration limit 1";

/// A job whose handler only a later version has, due now.
const JOB_OF_THE_FUTURE: &str = "
insert into job_definition (id, name, schedule_type, interval_seconds, anchor_at, target, recovery,
max_recoveries, status, created_at, updated_at)
values ('00000000-0000-7000-8000-0000000000ff', 'future', 'FIXED_RATE', 60, now(),
'{\"quantum\": {}}', 'RERUN', 3, 'ACTIVE', now(), now());
insert into job_trigger (id, job_id, kind, fire_time, due_at)
select id, id, 'SCHEDULE', anchor_at, anchor_at from job_definition where name = 'future'";

#[actix::test]
async fn nodes_leave_rows_of_a_later_version_to_that_version() {
    let database = TestDatabase::new().await;
    let mut cluster = Processes::start(2, database.url(), &[]).await;
    let beat = cluster.create_beat().await;
    cluster.succeeded(beat, 2).await;

    let sql = cluster.sql().await;
    sql.batch_execute(EXPANSION).await.unwrap();
    sql.batch_execute(JOB_OF_THE_FUTURE).await.unwrap();
    // One more node of this version starts on the later schema, and one stops.
    cluster
        .nodes
        .push(NodeProcess::serve("node-3", database.url(), &[]));
    cluster.ready("node-3").await;
    cluster.nodes[0].signal(Signal::TERM);
    assert!(cluster.nodes[0].ended().await.success());
    cluster.nodes[1].says("cannot be understood").await;
    cluster.succeeded(beat, 8).await;

    cluster.assert_every_second_once(beat).await;
    let left = "select from job_trigger t where t.due_at is not null
            and t.job_id = '00000000-0000-7000-8000-0000000000ff'
        and not exists (select from job_execution_log l where l.job_id = t.job_id)";
    assert!(
        sql.query_opt(left, &[]).await.unwrap().is_some(),
        "the unknown job waits for a node that knows it"
    );
}

/// An earlier version, one node after the other replaced by this one. `scripts/upgrade-drill`
/// builds it and runs this.
#[actix::test]
#[ignore = "needs OLD_HOROLOG, the program of an earlier version: scripts/upgrade-drill"]
async fn a_rolling_upgrade_loses_and_doubles_nothing() {
    let old = std::env::var("OLD_HOROLOG").unwrap();
    let database = TestDatabase::empty().await;
    let mut cluster = Processes::start_program(&old, 3, database.url(), &[]).await;
    let beat = cluster.create_beat().await;
    let hold = cluster.create_hold(json!({})).await;
    cluster.held(1).await;
    cluster.succeeded(beat, 3).await;

    let versions = "select count(*) from horolog_migration";
    let sql = cluster.sql().await;
    let before: i64 = sql.query_one(versions, &[]).await.unwrap().get(0);
    let mut at_least = 3;
    for number in 0..3 {
        let new = NodeProcess::serve(&format!("new-{number}"), database.url(), &[]);
        cluster.ready(&new.name).await;
        at_least += 3;
        cluster.succeeded(beat, at_least).await;
        let mut old = std::mem::replace(&mut cluster.nodes[number], new);
        old.signal(Signal::TERM);
        if number == 0 {
            cluster.target.release();
        }
        assert!(old.ended().await.success());
    }
    cluster.succeeded(hold, 1).await;
    cluster.succeeded(beat, at_least + 3).await;

    cluster.assert_every_second_once(beat).await;
    let after: i64 = sql.query_one(versions, &[]).await.unwrap().get(0);
    println!("migrations: {before} before, {after} after");
    let attempts = "select max(attempt), sum(recoveries)::int from job_execution_log";
    let row = sql.query_one(attempts, &[]).await.unwrap();
    assert_eq!(
        (row.get::<_, i32>(0), row.get::<_, i32>(1)),
        (1, 0),
        "nothing was attempted twice"
    );
    let left = "select count(*) from cluster_node where state = 'LEFT'";
    eventually("the old ones have left", async || {
        let row = sql.query_one(left, &[]).await.unwrap();
        (row.get::<_, i64>(0) == 3).then_some(())
    })
    .await;
}
