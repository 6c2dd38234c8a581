//! Migrations: many nodes at once, newer and older binaries side by side.

use crate::support::{TestDatabase, eventually};
use horolog::clock::Clock;
use horolog::model::execution::ExecutionStatus;
use horolog::model::policies::Policies;
use horolog::store::executions::ExecutionTexts;
use horolog::store::jobs::JobParts;
use horolog::store::migrate::{MigrateError, migrate, newest_known};
use tokio_postgres::Client;

#[actix::test]
async fn six_nodes_that_start_at_once_on_an_empty_database_all_succeed() {
    let database = TestDatabase::empty().await;

    let nodes = (0..6).map(|_| {
        let database = database.database();
        actix::spawn(async move { migrate(&database).await })
    });
    for node in nodes.collect::<Vec<_>>() {
        node.await.unwrap().unwrap();
    }

    let applied = database
        .client()
        .await
        .query("select version from horolog_migration order by 1", &[])
        .await
        .unwrap();
    let applied: Vec<i32> = applied.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        applied,
        (1..=newest_known()).collect::<Vec<_>>(),
        "each once"
    );
}

#[actix::test]
async fn every_table_and_column_of_ours_says_what_it_is() {
    let database = TestDatabase::new().await;

    let silent = "select c.relname || coalesce('.' || a.attname, '')
        from pg_class c
        join lateral (select attname, attnum from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped
                      union all select null, 0) a on true
        left join pg_description d on d.objoid = c.oid and d.classoid = 'pg_class'::regclass and d.objsubid = a.attnum
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
          and c.relname <> 'horolog_migration' and coalesce(d.description, '') = ''";
    let rows = database.client().await.query(silent, &[]).await.unwrap();

    assert_eq!(
        rows.iter().map(|row| row.get(0)).collect::<Vec<String>>(),
        Vec::<String>::new()
    );
}

#[actix::test]
async fn a_schema_that_needs_a_newer_horolog_refuses_this_one_and_says_why() {
    let database = TestDatabase::new().await;
    database
        .client()
        .await
        .execute("update horolog_schema set compatible_since = 900", &[])
        .await
        .unwrap();

    let refused = migrate(&database.database()).await.unwrap_err();

    assert!(
        matches!(refused, MigrateError::Incompatible { needed: 900, known } if known == newest_known())
    );
    assert!(!refused.is_passing(), "waiting does not help");
    let message = refused.to_string();
    assert!(
        message.contains("900") && message.contains("upgrade this node"),
        "{message}"
    );
}

#[actix::test]
async fn a_migration_that_a_newer_node_has_applied_is_no_error() {
    let database = TestDatabase::new().await;
    let newer = "insert into horolog_migration (version, name, applied_on, checksum)
        select 900, 'of_the_future', applied_on, '4711' from horolog_migration limit 1";
    assert_eq!(
        database.client().await.execute(newer, &[]).await.unwrap(),
        1
    );

    migrate(&database.database()).await.unwrap();
}

#[actix::test]
async fn an_applied_migration_that_was_edited_is_refused() {
    let database = TestDatabase::new().await;
    database
        .client()
        .await
        .execute("update horolog_migration set checksum = '4711'", &[])
        .await
        .unwrap();

    let refused = migrate(&database.database()).await.unwrap_err();

    assert!(matches!(refused, MigrateError::Migration(_)), "{refused}");
}

/// What a database at migration 1 may hold: two jobs, due, and what they did.
const FOUNDATION_ROWS: &str = "
insert into job_definition (id, name, schedule_type, interval_seconds, anchor_at, target, recovery, max_recoveries, status, created_at, updated_at)
select ('00000000-0000-7000-8000-00000000000' || n)::uuid, 'job ' || n, 'FIXED_RATE', 60, '2026-11-23T07:00Z', '\"log\"', 'RERUN', 3,
    'ACTIVE', now(), now() from generate_series(1, 2) n;
insert into job_trigger (id, job_id, kind, fire_time, due_at)
select id, id, 'SCHEDULE', '2026-11-23T07:00Z', '2026-11-23T07:00Z' from job_definition;
insert into job_execution_log (id, job_id, kind, fire_time, due_time, status, attempt, created_at)
select gen_random_uuid(), id, 'SCHEDULE', now(), now(), 'SUCCESS', 1, now() from job_definition";

/// A database as a node of the first release leaves it; the history's words are refinery's own.
async fn at_foundation(database: &TestDatabase) -> Client {
    let client = database.client().await;
    migrate(&database.database()).await.unwrap();
    let (name, applied_on, checksum): (String, String, String) = {
        let row = client
            .query_one(
                "select name, applied_on, checksum from horolog_migration where version = 1",
                &[],
            )
            .await
            .unwrap();
        (row.get(0), row.get(1), row.get(2))
    };
    client
        .batch_execute("drop schema public cascade; create schema public")
        .await
        .unwrap();
    client
        .batch_execute(include_str!("../migrations/V1__foundation.sql"))
        .await
        .unwrap();
    let history = "create table horolog_migration (version int4 primary key, name varchar(255), applied_on varchar(255), checksum varchar(255))";
    client.batch_execute(history).await.unwrap();
    let first = "insert into horolog_migration values (1, $1, $2, $3)";
    client
        .execute(first, &[&name, &applied_on, &checksum])
        .await
        .unwrap();
    client
}

#[actix::test]
async fn a_database_in_use_keeps_its_jobs_and_its_log() {
    let database = TestDatabase::empty().await;
    let client = at_foundation(&database).await;
    client.batch_execute(FOUNDATION_ROWS).await.unwrap();

    migrate(&database.database()).await.unwrap();

    let applied = client
        .query_one("select max(version) from horolog_migration", &[])
        .await
        .unwrap();
    assert_eq!(applied.get::<_, i32>(0), newest_known());
    let store = database.store(Clock::manual("2026-11-23T07:00:30Z".parse().unwrap()));
    let jobs = store.newest_jobs(10, JobParts::All).await.unwrap();
    assert_eq!(jobs.len(), 2);
    for job in &jobs {
        assert_eq!(
            (&job.definition.policies, job.definition.priority),
            (&Policies::default(), 5)
        );
        let log = store
            .executions_of(job.id, 10, ExecutionTexts::All)
            .await
            .unwrap();
        assert_eq!(
            (log.len(), log[0].status, job.next_fire_time.is_some()),
            (1, ExecutionStatus::Success, true)
        );
    }
    let paused = store
        .pause_job(jobs[0].id, Some("moved"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (paused.version, paused.pause_reason.as_deref()),
        (1, Some("moved"))
    );
}

/// Nodes of before migration 10 list no leases: what they hold is listed for them, and they take
/// nothing new.
#[actix::test]
async fn executions_of_older_nodes_are_found_and_they_lease_nothing_new() {
    const JOIN: &str =
        "insert into cluster_node (id, name, address, version, state, lock_key, slots, started_at, heartbeat_at)
        values (gen_random_uuid(), 'old', '', '0', 'ACTIVE', $1, 1, now(), now())";
    let database = TestDatabase::empty().await;
    let client = at_foundation(&database).await;
    client.batch_execute(FOUNDATION_ROWS).await.unwrap();
    client.execute(JOIN, &[&1_i64]).await.unwrap();
    let run =
        "update job_execution_log set status = 'RUNNING', node_id = (select id from cluster_node)
        where job_id = (select min(id::text)::uuid from job_definition)";
    assert_eq!(client.execute(run, &[]).await.unwrap(), 1);

    migrate(&database.database()).await.unwrap();

    let found = "select l.status || ' on a node that is ' || n.state from execution_in_flight l join cluster_node n on n.id = l.node_id";
    let found: Vec<String> = client
        .query(found, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(found, ["RUNNING on a node that is DRAINING"]);
    let refused = client.execute(JOIN, &[&2_i64]).await.unwrap_err();
    assert!(
        format!("{:?}", refused.as_db_error()).contains("protocol"),
        "{refused}"
    );
}

#[actix::test]
async fn a_migration_that_must_wait_lets_the_others_through_and_tries_again() {
    let database = TestDatabase::empty().await;
    let client = at_foundation(&database).await;
    let mut busy = database.client().await;
    let writing = busy.transaction().await.unwrap();
    writing
        .batch_execute("lock table job_definition in row exclusive mode")
        .await
        .unwrap();
    let waits = "select from pg_locks where not granted and relation = 'job_definition'::regclass
        and database = (select oid from pg_database where datname = current_database())";
    let waiting = async || client.query_opt(waits, &[]).await.unwrap();

    let database = database.database();
    let migration = actix::spawn(async move { migrate(&database).await });
    for _ in 0..2 {
        eventually("it waits for the table", async || waiting().await.map(drop)).await;
        eventually("it steps back", async || {
            waiting().await.is_none().then_some(())
        })
        .await;
    }
    writing.rollback().await.unwrap();

    migration.await.unwrap().unwrap();
    let applied = client
        .query_one("select max(version) from horolog_migration", &[])
        .await
        .unwrap();
    assert_eq!(applied.get::<_, i32>(0), newest_known());
}
