//! Settings of sessions, and the servers that are refused.

use crate::support::{TestCluster, TestDatabase, eventually, fixed_rate};
use horolog::clock::Clock;
use horolog::store::Store;
use horolog::store::db::database::Database;
use horolog::store::db::migrate::migrate;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};

const PATIENCE: Duration = Duration::from_secs(30);

/// Settings that may exist for the role in this database, and that would change the result of a
/// statement.
const DEFAULTS: &str = "
default_transaction_isolation = 'serializable'
default_transaction_read_only = on
default_transaction_deferrable = on
search_path = 'nowhere'
lock_timeout = '1ms'
statement_timeout = '1ms'
idle_in_transaction_session_timeout = '1ms'
idle_session_timeout = '50ms'
timezone = 'Asia/Kathmandu'
client_encoding = 'LATIN1'
datestyle = 'German'
intervalstyle = 'iso_8601'
extra_float_digits = -10
standard_conforming_strings = off
transform_null_equals = on
jit = on
max_parallel_workers_per_gather = 8
synchronous_commit = off";

/// The role's defaults in this database.
pub async fn set_defaults(database: &TestDatabase, settings: &str) {
    let client = database.client().await;
    for setting in settings.lines().filter(|line| !line.is_empty()) {
        let alter = format!(
            "do $$ begin execute format('alter role horolog in database %I set {}', \
             current_database()); end $$",
            setting.replace('\'', "''")
        );
        client.batch_execute(&alter).await.unwrap();
    }
}

/// The settings of a session, as `name value`.
async fn shown(database: &Database, names: &str) -> Vec<String> {
    let (client, _messages) = database.connect().await.unwrap();
    let show = "select format('%s %s', name, current_setting(name)) \
        from unnest(string_to_array($1, ' ')) as name";
    client
        .query(show, &[&names])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}

/// The error with its causes.
async fn refused(url: &str) -> String {
    let error = Database::parse(url, PATIENCE)
        .unwrap()
        .connect()
        .await
        .unwrap_err();
    format!("{:#}", anyhow::Error::from(error))
}

#[actix::test]
async fn a_session_states_what_the_defaults_of_its_role_would_change() {
    let database = TestDatabase::new().await;
    set_defaults(&database, DEFAULTS).await;

    let names = "transaction_isolation transaction_read_only transaction_deferrable search_path \
        lock_timeout \
        statement_timeout idle_in_transaction_session_timeout idle_session_timeout timezone \
        client_encoding datestyle \
        intervalstyle extra_float_digits standard_conforming_strings transform_null_equals jit \
        max_parallel_workers_per_gather synchronous_commit";
    let expected = [
        "transaction_isolation read committed",
        "transaction_read_only off",
        "transaction_deferrable off",
        "search_path public, pg_temp",
        "lock_timeout 30s",
        "statement_timeout 0",
        "idle_in_transaction_session_timeout 30s",
        "idle_session_timeout 0",
        "timezone UTC",
        "client_encoding UTF8",
        "datestyle ISO, MDY",
        "intervalstyle postgres",
        "extra_float_digits 1",
        "standard_conforming_strings on",
        "transform_null_equals off",
        "jit off",
        "max_parallel_workers_per_gather 0",
        "synchronous_commit on",
    ];
    assert_eq!(shown(&database.database(), names).await, expected);
}

#[actix::test]
async fn tables_of_the_same_name_in_another_schema_of_the_path_are_not_ours() {
    let database = TestDatabase::new().await;
    let client = database.client().await;
    client
        .batch_execute("create schema early; create table early.cluster_node (id int)")
        .await
        .unwrap();
    for path in ["early, public", "early", "''", "pg_catalog"] {
        set_defaults(&database, &format!("search_path = {path}")).await;
        assert_eq!(
            shown(&database.database(), "search_path").await,
            ["search_path public, pg_temp"],
            "{path}"
        );
    }
}

#[actix::test]
async fn the_search_path_of_the_url_says_where_horolog_lives() {
    let database = TestDatabase::new().await;
    let url = format!(
        "{}?options=-c%20search_path%3Djobs%2Cpublic",
        database.url()
    );
    let client = database.client().await;
    client
        .batch_execute("create schema \"my jobs\"")
        .await
        .unwrap();

    let named = format!(
        "{}?options=-c%20search_path%3D%22my%5C%20jobs%22",
        database.url()
    );
    migrate(&Database::parse(&named, PATIENCE).unwrap())
        .await
        .unwrap();
    let tables =
        "select count(*) from pg_tables where schemaname = 'my jobs' and tablename = 'job_trigger'";
    assert_eq!(
        client
            .query_one(tables, &[])
            .await
            .unwrap()
            .get::<_, i64>(0),
        1
    );
    let others = Database::parse(&url, PATIENCE).unwrap();
    assert_eq!(
        shown(&others, "search_path").await,
        ["search_path public, pg_temp"],
        "where the tables are"
    );
    let reason = refused(&format!(
        "{}?options=-c%20search_path%3Dnowhere",
        database.url()
    ))
    .await;
    assert!(
        reason.contains("none of the schemas of the URL's search_path exists (nowhere)"),
        "{reason}"
    );
}

#[actix::test]
async fn a_database_of_another_encoding_is_refused_with_what_to_do() {
    let database =
        TestDatabase::with("encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0")
            .await;

    let error = migrate(&database.owner()).await.unwrap_err();

    assert!(!error.is_passing(), "waiting does not help");
    let reason = format!("{:#}", anyhow::Error::from(error));
    for words in [
        "has the encoding LATIN1, and horolog needs UTF8",
        "create database",
    ] {
        assert!(reason.contains(words), "{reason}");
    }
}

/// Servers of another engine, for callers that find this function before PostgreSQL's own.
#[actix::test]
async fn engines_that_only_look_like_postgresql_are_refused_by_name() {
    let engines = [
        (
            "CockroachDB CCL v25.2.1 (x86_64-pc-linux-gnu, built 2025/06/20)",
            "CockroachDB",
        ),
        (
            "PostgreSQL 15.12-YB-2.25.2.0-b0 on x86_64-pc-linux-gnu",
            "YugabyteDB",
        ),
    ];
    for (version, name) in engines {
        let database = TestDatabase::empty().await;
        let function = format!(
            "create function version() returns text language sql as $$ select '{version}' $$"
        );
        database
            .client()
            .await
            .batch_execute(&function)
            .await
            .unwrap();
        set_defaults(&database, "search_path = public, pg_catalog").await;

        let error = migrate(&database.owner()).await.unwrap_err();

        assert!(!error.is_passing(), "waiting does not help");
        let reason = format!("{:#}", anyhow::Error::from(error));
        assert!(
            reason.contains(name) && reason.contains("horolog needs PostgreSQL"),
            "{reason}"
        );
    }
}

#[actix::test]
async fn an_error_by_way_of_the_pool_names_the_hosts_and_their_reasons() {
    let database =
        Database::parse("postgresql://nobody@127.0.0.1:1,localhost:2/none", PATIENCE).unwrap();

    let error = Store::new(&database, 1, PATIENCE, Clock::Database)
        .ping()
        .await
        .unwrap_err();

    let reason = format!("{:#}", anyhow::Error::from(error));
    assert!(
        reason.contains("127.0.0.1:1: Connection refused"),
        "{reason}"
    );
    assert!(
        reason.contains("localhost:2: Connection refused"),
        "{reason}"
    );
}

#[actix::test]
async fn requests_cannot_use_the_connections_of_firing() {
    let cluster = TestCluster::start().await;
    let job = cluster.create(fixed_rate(60)).await;
    let requests = cluster
        .store
        .for_requests(&cluster.database.database(), 1, Handle::current());
    let mut busy = cluster.database.client().await;
    let locked = busy.transaction().await.unwrap();
    locked
        .batch_execute("lock table job_definition_version")
        .await
        .unwrap();
    let waiting = actix::spawn({
        let requests = requests.clone();
        async move { requests.job_versions(job.id, 10).await }
    });
    cluster.wait_for_locks(1).await;

    let mut another = std::pin::pin!(requests.ping());
    assert!(
        futures_util::poll!(&mut another).is_pending(),
        "there is no connection for it"
    );
    cluster.store.ping().await.unwrap();

    locked.rollback().await.unwrap();
    another.await.unwrap();
    waiting.await.unwrap().unwrap();
}

#[actix::test]
async fn a_busy_api_thread_does_not_block_connections_of_firing() {
    let database = TestDatabase::new().await;
    let firing = database.store(Clock::Database);
    let (idle, block) = std::sync::mpsc::channel::<()>();
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let requests = firing.for_requests(&database.database(), 1, runtime.handle().clone());
    requests.ping().await.unwrap();
    // The only thread of that runtime stands still.
    runtime.spawn(async move { block.recv() });

    firing.ping().await.unwrap();

    drop(idle);
    eventually("the requests go on", async || requests.ping().await.ok()).await;
    runtime.shutdown_background();
}
