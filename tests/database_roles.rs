//! Roles of the database: the owner changes the schema, nodes and readers have exactly their rights.
//!
//! All stores and nodes in the tests of this program have the role of a node.

use crate::processes::node_process::{NodeProcess, Processes};
use crate::support::{TestDatabase, eventually};
use horolog::store::db::database::Database;
use horolog::store::db::grants::{Roles, names};
use horolog::store::db::migrate::{MigrateError, migrate, migrate_for, newest_known};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio_postgres::Client;

const OWNER: &str = "horolog_owner";
const NODE: &str = "horolog_node";
const READER: &str = "horolog_reader";

/// The roles belong to all databases of the server: two tests may make them at once.
const CREATE_ROLES: &str = "do $$ declare wanted text;
begin
    foreach wanted in array array['horolog_owner', 'horolog_node', 'horolog_reader'] loop
        begin
            execute format('create role %I login', wanted);
        exception when duplicate_object or unique_violation then null;
        end;
    end loop;
end $$";

/// A database whose owner is no administrator of the server.
async fn owned() -> TestDatabase {
    let database = TestDatabase::empty().await;
    let client = database.client().await;
    client.batch_execute(CREATE_ROLES).await.unwrap();
    let (_, name) = database.url().rsplit_once('/').unwrap();
    client
        // PostgreSQL before 15 lets each role create tables in `public`: a node warns of that.
        .batch_execute(&format!(
            "alter database {name} owner to {OWNER};
             revoke create on schema public from public;
             grant create on schema public to {OWNER}"
        ))
        .await
        .unwrap();
    database
}

fn url_as(database: &TestDatabase, role: &str) -> String {
    database
        .url()
        .replacen("//horolog@", &format!("//{role}@"), 1)
}

fn database_as(database: &TestDatabase, role: &str) -> Database {
    Database::parse(&url_as(database, role), Duration::from_secs(30)).unwrap()
}

async fn client_as(database: &TestDatabase, role: &str) -> Client {
    let url = url_as(database, role);
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection); // ends with the client
    client
}

/// `horolog migrate` as the owner, with its rights for nodes and readers.
async fn migrated(database: &TestDatabase) {
    let roles = ["migrate", "--node-role", NODE, "--reader-role", READER];
    let url = url_as(database, OWNER);
    let mut migrate = NodeProcess::start("migrate", &roles, &[("DATABASE_URL", &url)]);
    assert_eq!(
        migrate.ended().await.code(),
        Some(0),
        "{}",
        migrate.output()
    );
}

/// The code with which PostgreSQL refuses a statement; none when it does not.
async fn refusal(client: &Client, statement: &str) -> Option<String> {
    let error = client.batch_execute(statement).await.err()?;
    Some(error.code().expect("an error of the server").code().into())
}

#[actix::test]
async fn a_node_without_rights_to_the_schema_does_everything_that_it_needs() {
    let database = owned().await;
    migrated(&database).await;
    // A day that the node drops, and one that it makes.
    let sql = client_as(&database, OWNER).await;
    let days = "select create_log_partitions(array['2020-02-02'::date])";
    sql.batch_execute(days).await.unwrap();
    let flags = ["--repair-interval", "1s", "--log-retention", "2d"];
    let node = NodeProcess::serve("node-1", &url_as(&database, NODE), &flags);
    let mut cluster = Processes::of(vec![node], &url_as(&database, OWNER)).await;

    let beat = cluster.create_beat().await;
    cluster.succeeded(beat, 3).await;

    let has = async |what: &str, query: &str| {
        eventually(what, async || {
            let row = sql.query_one(query, &[]).await.unwrap();
            row.get::<_, bool>(0).then_some(())
        })
        .await;
    };
    has(
        "the node has made its days",
        "select count(*) >= 5 from pg_inherits where inhparent = 'job_execution_log'::regclass",
    )
    .await;
    has(
        "the node has dropped the old day",
        "select to_regclass('job_execution_log_20200202') is null",
    )
    .await;
    has(
        "the node has sealed the audit log",
        "select count(*) > 0 and bool_and(position is not null) from audit_log",
    )
    .await;
    cluster.nodes[0].signal(rustix::process::Signal::TERM);
    let status = cluster.nodes[0].ended().await;
    let output = cluster.nodes[0].output();
    assert_eq!(status.code(), Some(0), "{output}");
    for word in ["WARN", "ERROR"] {
        assert!(!output.contains(word), "{output}");
    }
}

#[actix::test]
async fn the_role_of_a_node_cannot_change_the_schema_or_the_audit_log() {
    let database = owned().await;
    migrated(&database).await;
    let owner = client_as(&database, OWNER).await;
    let arrange = "insert into audit_log (at, caller, caller_kind, action, outcome)
            select now() - interval '1 hour', 'x', 'NODE', 'x', 'DONE' from generate_series(1, 3);
        create table of_another_program (secret text)";
    owner.batch_execute(arrange).await.unwrap();

    let node = client_as(&database, NODE).await;
    for statement in [
        "create table mine (id int)",
        "create function mine() returns int language sql as 'select 1'",
        "alter table job_trigger add column mine int",
        "alter table audit_log disable trigger all",
        "drop table job_execution_log_default",
        "truncate job_trigger",
        "create index mine on job_trigger (id)",
        "update horolog_schema set compatible_since = 0",
        "delete from horolog_migration",
        "delete from job_definition",
        "update job_definition_version set changed_by = 'eve'",
        "update audit_log set caller = 'eve'",
        "update audit_log set at = now() where position is null",
        "delete from audit_log",
        "truncate audit_log",
        "select set_config('horolog.purges_audit_log', 'on', false); delete from audit_log",
        "select secret from of_another_program",
        "alter function purge_audit_log(timestamptz, integer) security invoker",
        "set role horolog_owner",
    ] {
        let refused = refusal(&node, statement).await;
        assert_eq!(refused.as_deref(), Some("42501"), "{statement}");
    }

    // The purge that a node may call removes nothing of the last day.
    let purge = "select removed from purge_audit_log(now() + interval '1 day', 100)";
    let seal = "update audit_log set position = seq, previous_hash = '', hash = ''";
    node.batch_execute(seal).await.unwrap();
    let removed: i64 = node.query_one(purge, &[]).await.unwrap().get(0);
    assert_eq!(removed, 0);
}

/// A caller's temporary table has the name of ours.
#[actix::test]
async fn a_function_of_the_owner_finds_the_tables_of_the_schema_only() {
    let database = owned().await;
    migrated(&database).await;
    let node = client_as(&database, NODE).await;
    let shadow = "create temp table job_execution_log (id uuid) partition by range (id)";
    node.batch_execute(shadow).await.unwrap();

    let create = "select create_log_partitions(array['2020-02-02'::date])";
    node.batch_execute(create).await.unwrap();

    let parent = "select i.inhparent = 'public.job_execution_log'::regclass from pg_inherits i
        where i.inhrelid = 'public.job_execution_log_20200202'::regclass";
    assert!(node.query_one(parent, &[]).await.unwrap().get::<_, bool>(0));
    let open = "select p.proname::text from pg_proc p
        where p.pronamespace = 'public'::regnamespace and p.prosecdef
          and (p.proconfig is distinct from array['search_path=public, pg_temp']
               or has_function_privilege('public', p.oid, 'execute'))";
    let rows = node.query(open, &[]).await.unwrap();
    let open: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(open, Vec::<String>::new());
}

#[actix::test]
async fn a_reader_reads_no_secret_and_writes_nothing() {
    let database = owned().await;
    migrated(&database).await;
    let reader = client_as(&database, READER).await;
    for statement in [
        "select status, count(*) from job_execution_log group by 1",
        "select name, cron_expression from job_definition",
        "select * from execution_in_flight",
    ] {
        assert_eq!(refusal(&reader, statement).await, None, "{statement}");
    }
    for statement in [
        "select target from job_definition",
        "select payload from job_execution_log",
        "select payload from job_trigger",
        "select definition from job_definition_version",
        "select name from user_account",
        "select secret_hash from api_token",
        "select id_hash from user_session",
        "select caller from audit_log",
        "delete from job_trigger",
        "select drop_log_partition('2020-02-02')",
    ] {
        let refused = refusal(&reader, statement).await;
        assert_eq!(refused.as_deref(), Some("42501"), "{statement}");
    }
    let writes = "select c.relname::text from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')
          and has_table_privilege(c.oid, 'insert, update, delete, truncate, trigger')";
    assert_eq!(reader.query(writes, &[]).await.unwrap().len(), 0);
}

#[actix::test]
async fn every_table_of_the_schema_has_a_row_of_rights() {
    let database = TestDatabase::new().await;
    let tables = "select c.relname::text from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')
          and c.relname !~ '^job_execution_log_[0-9]+$'";
    let rows = database.client().await.query(tables, &[]).await.unwrap();
    let tables: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    let listed: BTreeSet<String> = names().map(str::to_owned).collect();
    assert_eq!(
        tables, listed,
        "a new table needs a row in src/store/db/grants.rs"
    );
}

#[actix::test]
async fn a_node_says_which_rights_it_lacks() {
    let cases = [
        (
            "revoke update on job_trigger from horolog_node",
            "UPDATE on job_trigger",
        ),
        (
            "revoke update (hash) on audit_log from horolog_node",
            "UPDATE (hash) on audit_log",
        ),
        (
            "revoke execute on function purge_audit_log(timestamptz, integer) from horolog_node",
            "EXECUTE on purge_audit_log",
        ),
        (
            "revoke all on all tables in schema public from horolog_node",
            "SELECT on horolog_migration, SELECT on horolog_schema, SELECT on calendar and ",
        ),
    ];
    for (revoke, missing) in cases {
        let database = TestDatabase::new().await;
        let client = database.client().await;
        client.batch_execute(revoke).await.unwrap();

        let error = migrate(&database.database()).await.unwrap_err();

        assert!(!error.is_passing(), "waiting does not help");
        let message = error.to_string();
        let begin = format!("role {NODE} lacks {missing}");
        assert!(message.starts_with(&begin), "{message}");
        assert!(
            message.contains("`horolog migrate --node-role horolog_node`"),
            "{message}"
        );
    }
}

#[actix::test]
async fn a_node_does_not_start_on_a_schema_that_it_may_not_bring_up_to_date() {
    let database = TestDatabase::new().await;
    let newest = newest_known();
    let client = database.client().await;
    let older = "delete from horolog_migration where version = $1";
    client.execute(older, &[&newest]).await.unwrap();
    let error = migrate(&database.database()).await.unwrap_err();
    assert!(
        matches!(&error, MigrateError::Behind { applied, known, .. }
            if *known == newest && *applied < newest),
        "{error}"
    );

    let database = owned().await;
    let error = migrate(&database_as(&database, NODE)).await.unwrap_err();
    assert!(matches!(error, MigrateError::NoSchema { .. }), "{error}");
}

#[actix::test]
async fn rights_are_given_again_and_never_taken_from_the_owner() {
    let database = owned().await;
    migrated(&database).await;
    let owner = client_as(&database, OWNER).await;
    let too_much = "grant all on all tables in schema public to horolog_node";
    owner.batch_execute(too_much).await.unwrap();

    migrated(&database).await;

    let node = client_as(&database, NODE).await;
    let refused = refusal(&node, "truncate job_trigger").await;
    assert_eq!(refused.as_deref(), Some("42501"), "exactly its rights");
    migrate(&database_as(&database, NODE)).await.unwrap();
    let roles = |node: &str| Roles {
        node: Some(node.to_owned()),
        ..Roles::default()
    };
    let error = migrate_for(&database_as(&database, OWNER), &roles(OWNER))
        .await
        .unwrap_err();
    assert!(matches!(error, MigrateError::OwnerRole(_)), "{error}");
    let error = migrate_for(&database_as(&database, NODE), &roles(READER))
        .await
        .unwrap_err();
    assert!(matches!(error, MigrateError::NotOwner), "{error}");
    migrate(&database_as(&database, OWNER)).await.unwrap();
}
