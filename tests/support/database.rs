//! A database for each test, cloned from a migrated template.
//!
//! One temporary server per user of this machine is in the temporary directory and stays up between
//! runs: attaching costs nothing, a clone a twentieth of a second. The template is named after the
//! migrations, so it is never stale; the first process makes it.
//!
//! Nodes and stores of the tests have the role of a node, as in production: a right that the code
//! needs and that the role lacks fails the tests of that code.

use horolog::clock::Clock;
use horolog::store::Store;
use horolog::store::db::database::Database;
use horolog::store::db::grants::Roles;
use horolog::store::db::migrate::migrate_for;
use horolog_embedded_postgres::EmbeddedPostgres;
use rustix::process::{Pid, getuid, test_kill_process};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// Nothing to keep, so nothing to wait for; room for many tests at once.
const SETTINGS: [(&str, &str); 4] = [
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("max_connections", "500"),
];
/// Longer than any test: tests about timeouts bring their own.
const PATIENCE: Duration = Duration::from_secs(30);
const TEST_PREFIX: &str = "horolog_test_";
/// The role of the nodes, for all databases of the server.
const NODE_ROLE: &str = "horolog_node";
/// Two processes may make it at once.
const CREATE_NODE_ROLE: &str = "do $$ begin
    create role horolog_node login;
exception when duplicate_object or unique_violation then null;
end $$";

/// Where the throw-away server is, and the template in it.
struct Server {
    url: String,
    template: String,
}

static SERVER: OnceCell<Server> = OnceCell::const_new();

/// A database of one test; dropped with the value.
pub struct TestDatabase {
    name: String,
    url: String,
    node_url: String,
}

impl TestDatabase {
    /// A database with the schema and no rows.
    pub async fn new() -> Self {
        let server = server().await;
        let mut database = Self::with(&format!("template {}", server.template)).await;
        let node_url = database
            .url
            .replacen("//horolog@", &format!("//{NODE_ROLE}@"), 1);
        database.node_url = node_url;
        database
    }

    /// A database without anything.
    pub async fn empty() -> Self {
        Self::with("").await
    }

    /// A database made with these options of CREATE DATABASE.
    pub async fn with(options: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let server = server().await;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{TEST_PREFIX}{}_{number}", std::process::id());
        connect(&server.url)
            .await
            .batch_execute(&format!("create database {name} {options}"))
            .await
            .unwrap();
        let url = url_of(&server.url, &name);
        Self {
            node_url: url.clone(),
            url,
            name,
        }
    }

    /// Where other programs connect, as the owner of the schema.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where nodes connect: with the role of a node, if the database has the schema.
    pub fn node_url(&self) -> &str {
        &self.node_url
    }

    /// For nodes and stores.
    pub fn database(&self) -> Database {
        Database::parse(&self.node_url, PATIENCE).unwrap()
    }

    /// For the owner of the schema.
    pub fn owner(&self) -> Database {
        Database::parse(&self.url, PATIENCE).unwrap()
    }

    /// The same by another application name, by which a [`super::CommitGate`] knows its victims.
    pub fn database_as(&self, application_name: &str) -> Database {
        Database::parse(
            &format!("{}?application_name={application_name}", self.node_url),
            PATIENCE,
        )
        .unwrap()
    }

    pub fn store(&self, clock: Clock) -> Store {
        Store::new(&self.database(), 8, PATIENCE, clock)
    }

    /// A plain connection, for arranging and asserting by SQL.
    pub async fn client(&self) -> Client {
        connect(&self.url).await
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let drop_it = format!("drop database if exists {} with (force)", self.name);
        let url = self.url.clone();
        // A thread, because we are inside a runtime already.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let work = async {
                connect(&url_of(&url, "horolog"))
                    .await
                    .batch_execute(&drop_it)
                    .await
            };
            runtime.block_on(work).unwrap();
        });
        if dropped.join().is_err() {
            eprintln!(
                "cannot drop the database {}; the next run sweeps it",
                self.name
            );
        }
    }
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection); // ends with the client
    client
}

/// The URL of another database on the same server.
fn url_of(url: &str, name: &str) -> String {
    let (server, _) = url.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

async fn server() -> &'static Server {
    let start = async || {
        let path = std::env::temp_dir().join(format!("horolog-tests-{}", getuid().as_raw()));
        let server = EmbeddedPostgres::ensure_running(&path, &SETTINGS).await;
        let url = server.unwrap_or_else(|error| panic!("{error}")).url();
        let client = connect(&url).await;
        sweep(&client).await;
        Server {
            template: template(&client, &url).await,
            url,
        }
    };
    SERVER.get_or_init(start).await
}

/// Drops the databases of crashed runs: those whose process is gone.
async fn sweep(client: &Client) {
    let rows = client
        .query(
            "select datname from pg_database where starts_with(datname, $1)",
            &[&TEST_PREFIX],
        )
        .await;
    for row in rows.unwrap() {
        let name: String = row.get(0);
        let pid = name
            .trim_start_matches(TEST_PREFIX)
            .split('_')
            .next()
            .and_then(|pid| pid.parse().ok());
        if pid
            .and_then(Pid::from_raw)
            .is_none_or(|pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
        {
            // Another run may sweep at the same moment.
            drop(
                client
                    .batch_execute(&format!("drop database if exists {name} with (force)"))
                    .await,
            );
        }
    }
}

/// Makes the template unless it exists. The name is given at the end, so that an incomplete
/// template is never used.
async fn template(client: &Client, url: &str) -> String {
    let digest = migrations_digest();
    let (name, half_made) = (
        format!("horolog_template_{digest}"),
        format!("horolog_half_made_{digest}"),
    );
    client
        .execute("select pg_advisory_lock(hashtext($1))", &[&name])
        .await
        .unwrap();
    if client
        .query_opt("select from pg_database where datname = $1", &[&name])
        .await
        .unwrap()
        .is_none()
    {
        client
            .batch_execute(&format!("drop database if exists {half_made} with (force)"))
            .await
            .unwrap();
        client
            .batch_execute(&format!("create database {half_made}"))
            .await
            .unwrap();
        client.batch_execute(CREATE_NODE_ROLE).await.unwrap();
        let roles = Roles {
            node: Some(NODE_ROLE.to_owned()),
            ..Roles::default()
        };
        let owner = Database::parse(&url_of(url, &half_made), PATIENCE).unwrap();
        migrate_for(&owner, &roles).await.unwrap();
        client
            .batch_execute(&format!("alter database {half_made} rename to {name}"))
            .await
            .unwrap();
    }
    client
        .execute("select pg_advisory_unlock(hashtext($1))", &[&name])
        .await
        .unwrap();
    name
}

fn migrations_digest() -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut paths: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/db/grants.rs"));
    let bytes: Vec<u8> = paths
        .iter()
        .flat_map(|path| std::fs::read(path).unwrap())
        .collect();
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &bytes)
        .simple()
        .to_string()[..16]
        .to_owned()
}
