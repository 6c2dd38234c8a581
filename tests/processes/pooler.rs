//! A real PgBouncer between nodes and PostgreSQL.

use super::node_process::{NodeProcess, Processes};
use crate::support::{TestDatabase, eventually};
use horolog::store::db::database::Database;
use rustix::process::getuid;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

struct Bouncer {
    child: Child,
    dir: PathBuf,
    address: String,
}

impl Bouncer {
    /// Starts pgbouncer in front of the server of this database with more lines of configuration;
    /// none where it is not installed.
    async fn start(database: &TestDatabase, more: &str) -> Option<Self> {
        let installed = [
            "/usr/sbin/pgbouncer",
            "/usr/local/sbin/pgbouncer",
            "/opt/homebrew/bin/pgbouncer",
        ];
        let Some(program) = installed
            .into_iter()
            .find(|program| std::path::Path::new(program).exists())
        else {
            eprintln!(
                "SKIPPED: pgbouncer is not installed: `make setup-tests` installs it or says how"
            );
            return None;
        };
        let (socket, _) = database
            .url()
            .split_once('@')
            .unwrap()
            .1
            .split_once('/')
            .unwrap();
        let socket = socket.replace("%2F", "/");
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let dir = std::env::temp_dir().join(format!(
            "horolog-pgbouncer-{}",
            uuid::Uuid::new_v4().simple()
        ));
        std::fs::create_dir(&dir).unwrap();
        let config = format!(
            "[databases]\n* = host={socket} user=horolog\n[pgbouncer]\nlisten_addr = \
             127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\ndefault_pool_size = 50\n{more}\n"
        );
        std::fs::write(dir.join("pgbouncer.ini"), config).unwrap();
        let mut command = Command::new(program);
        command
            .arg(dir.join("pgbouncer.ini"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if getuid().is_root() {
            // pgbouncer refuses to run as root, and the server lets no other user to its socket.
            command.args(["-u", "postgres"]);
        }
        let bouncer = Self {
            child: command.spawn().unwrap(),
            dir,
            address: format!("127.0.0.1:{port}"),
        };
        eventually("the pooler listens", async || {
            tokio::net::TcpStream::connect(&bouncer.address).await.ok()
        })
        .await;
        Some(bouncer)
    }

    fn url(&self, database: &TestDatabase) -> String {
        let (_, name) = database.url().rsplit_once('/').unwrap();
        format!("postgresql://horolog@{}/{name}", self.address)
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

#[actix::test]
async fn a_pooler_in_transaction_mode_is_refused_by_name() {
    for more in [
        "",
        "ignore_startup_parameters = options",
        "server_reset_query_always = 1",
        "server_round_robin = 1",
    ] {
        let database = TestDatabase::empty().await;
        let more = format!("pool_mode = transaction\n{more}");
        let Some(bouncer) = Bouncer::start(&database, &more).await else {
            return;
        };
        for arguments in [&["migrate"][..], &["serve", "--listen", "127.0.0.1:0"]] {
            let mut node = NodeProcess::start(
                "pooled",
                arguments,
                &[("DATABASE_URL", &bouncer.url(&database))],
            );
            let status = node.ended().await;
            let output = node.output();
            assert_eq!(status.code(), Some(1), "{more} {arguments:?}: {output}");
            assert!(
                output.contains("a pooler in transaction mode"),
                "{more} {arguments:?}: {output}"
            );
        }
    }
}

#[actix::test]
async fn a_pooler_in_session_mode_is_no_different_from_the_server() {
    for more in ["", "ignore_startup_parameters = options"] {
        let database = TestDatabase::empty().await;
        let Some(bouncer) =
            Bouncer::start(&database, &format!("pool_mode = session\n{more}")).await
        else {
            return;
        };
        let url = bouncer.url(&database);

        let mut cluster = Processes::start(2, &url, &[]).await;
        let beat = cluster.create_beat().await;
        cluster.succeeded(beat, 2).await;
        let settings = "select current_setting('lock_timeout'), current_setting('jit')";
        let (client, _messages) = Database::parse(&url, Duration::from_secs(7))
            .unwrap()
            .connect()
            .await
            .unwrap();
        let row = client.query_one(settings, &[]).await.unwrap();
        assert_eq!((row.get(0), row.get(1)), ("7s", "off"), "{more}");
        // A death is seen by its session.
        cluster.nodes[1].signal(rustix::process::Signal::KILL);
        cluster.nodes[1].ended().await;
        let dead = "select from cluster_node where state = 'DEAD' and ended_by = 'SESSION'";
        let sql = database.client().await;
        eventually("the death is seen", async || {
            sql.query_opt(dead, &[]).await.unwrap()
        })
        .await;
        cluster.assert_every_second_once(beat).await;
    }
}

#[actix::test]
async fn options_of_the_url_that_a_pooler_refuses_are_named() {
    let database = TestDatabase::empty().await;
    let Some(bouncer) = Bouncer::start(&database, "pool_mode = session").await else {
        return;
    };
    let url = format!(
        "{}?options=-c%20search_path%3Dpublic",
        bouncer.url(&database)
    );

    let refused = Database::parse(&url, Duration::from_secs(30))
        .unwrap()
        .connect()
        .await
        .unwrap_err();

    let reason = format!("{:#}", anyhow::Error::from(refused));
    assert!(
        reason.contains(&bouncer.address) && reason.contains("leave them out"),
        "{reason}"
    );
}
