//! Migrations: many nodes at once, newer and older binaries side by side.

use crate::support::{TestDatabase, eventually};
use horolog::store::db::migrate::{MigrateError, migrate, newest_known};

#[actix::test]
async fn six_nodes_that_start_at_once_on_an_empty_database_all_succeed() {
    let database = TestDatabase::empty().await;

    let nodes = (0..6).map(|_| {
        let database = database.owner();
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

    let refused = migrate(&database.owner()).await.unwrap_err();

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

    migrate(&database.owner()).await.unwrap();
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

    let refused = migrate(&database.owner()).await.unwrap_err();

    assert!(matches!(refused, MigrateError::Migration(_)), "{refused}");
}

/// Before the first release, migration 1 was `foundation`, and there were nineteen.
#[actix::test]
async fn a_database_of_the_time_before_the_first_release_is_refused_and_told_what_to_do() {
    let database = TestDatabase::new().await;
    database
        .client()
        .await
        .execute(
            "update horolog_migration set name = 'foundation' where version = 1",
            &[],
        )
        .await
        .unwrap();

    let refused = migrate(&database.owner()).await.unwrap_err();

    assert!(matches!(refused, MigrateError::Unreleased), "{refused}");
    assert!(!refused.is_passing(), "waiting does not help");
    assert!(refused.to_string().contains("create an empty database"));
}

#[actix::test]
async fn a_migration_that_must_wait_lets_the_others_through_and_tries_again() {
    let database = TestDatabase::empty().await;
    let client = database.client().await;
    let mut busy = database.client().await;
    let writing = busy.transaction().await.unwrap();
    // Until it is rolled back, a second table of this name waits for it.
    writing
        .batch_execute("create table job_definition (id uuid)")
        .await
        .unwrap();
    let waits = "select from pg_locks l join pg_stat_activity a on a.pid = l.pid
        where not l.granted and l.locktype = 'transactionid' and a.datname = current_database()";
    let waiting = async || client.query_opt(waits, &[]).await.unwrap();

    let database = database.owner();
    let migration = actix::spawn(async move { migrate(&database).await });
    for _ in 0..2 {
        eventually("it waits for the other session", async || {
            waiting().await.map(drop)
        })
        .await;
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
