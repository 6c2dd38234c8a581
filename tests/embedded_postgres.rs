//! The launcher against real servers, each in a directory of its own. Without an installed
//! PostgreSQL these tests fail with the command that installs it.

use crate::processes::node_process::NodeProcess;
use horolog_embedded_postgres::{EmbeddedPostgres, EmbeddedPostgresError, StopMode};
use rustix::process::{Pid, Signal, getsid, kill_process};
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// Nothing to keep, so nothing to wait for.
const HASTY: &[(&str, &str)] = &[("fsync", "off")];

/// A directory that is removed with its server, also when the test fails.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        Self::named(&format!("horolog-test-{}", Uuid::new_v4().simple()))
    }

    fn named(name: &str) -> Self {
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o755).create(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    async fn server(&self) -> EmbeddedPostgres {
        EmbeddedPostgres::ensure_running(&self.0, HASTY)
            .await
            .unwrap_or_else(|error| panic!("{error}"))
    }

    fn pid_file(&self) -> PathBuf {
        self.0.join("pg/postmaster.pid")
    }

    fn postmaster(&self) -> Pid {
        let text = fs::read_to_string(self.pid_file()).unwrap();
        Pid::from_raw(text.lines().next().unwrap().trim().parse().unwrap()).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.pid_file().exists() {
            let path = self.0.clone();
            let stop = async move {
                EmbeddedPostgres::ensure_running(&path, &[])
                    .await?
                    .stop()
                    .await
            };
            // A thread, because we are inside a runtime already.
            let thread =
                std::thread::spawn(|| tokio::runtime::Runtime::new().unwrap().block_on(stop));
            if !matches!(thread.join(), Ok(Ok(()))) {
                eprintln!("cannot stop the server in {}", self.0.display());
            }
        }
        drop(fs::remove_dir_all(&self.0));
    }
}

async fn connect(server: &EmbeddedPostgres) -> Client {
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn ask(client: &Client, question: &str) -> String {
    client.query_one(question, &[]).await.unwrap().get(0)
}

async fn start_time(server: &EmbeddedPostgres) -> String {
    ask(
        &connect(server).await,
        "select pg_postmaster_start_time()::text",
    )
    .await
}

async fn write_row(server: &EmbeddedPostgres) {
    connect(server)
        .await
        .batch_execute("create table kept as select 'it is here'::text as what")
        .await
        .unwrap();
}

async fn read_row(server: &EmbeddedPostgres) -> String {
    ask(&connect(server).await, "select what from kept").await
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[tokio::test]
async fn the_second_caller_attaches_to_the_server_of_the_first() {
    let scratch = Scratch::new();
    let (first, second) = (scratch.server().await, scratch.server().await);
    assert_eq!(first.url(), second.url());
    assert_eq!(start_time(&first).await, start_time(&second).await);
    let names = ask(
        &connect(&first).await,
        "select current_database() || ' of ' || current_user",
    )
    .await;
    assert_eq!(names, "horolog of horolog");
    first.stop().await.unwrap();
    assert!(
        tokio_postgres::connect(&second.url(), NoTls).await.is_err(),
        "stop means stop"
    );
    second
        .stop()
        .await
        .expect("a server that is down is stopped");
}

#[tokio::test]
async fn the_server_is_durable_private_and_on_its_own() {
    let scratch = Scratch::new();
    let server = EmbeddedPostgres::ensure_running(&scratch.0, &[])
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let client = connect(&server).await;
    let expected = [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("data_checksums", "on"),
        ("listen_addresses", ""),
        ("server_encoding", "UTF8"),
        ("max_connections", "200"),
    ];
    for (name, value) in expected {
        assert_eq!(ask(&client, &format!("show {name}")).await, value, "{name}");
    }
    assert_eq!(
        (mode(&scratch.0.join("run")), mode(&scratch.0.join("pg"))),
        (0o700, 0o700)
    );
    assert_eq!(mode(&scratch.0.join("postgres.log")), 0o600);
    assert_ne!(
        fs::metadata(scratch.0.join("pg")).unwrap().uid(),
        0,
        "root must not own it"
    );
    // Our own session is no yardstick: in a process namespace of its own it may have no number
    // (getsid gives 0).
    let leader = getsid(Some(scratch.postmaster())).unwrap();
    assert_eq!(
        leader,
        scratch.postmaster(),
        "a hang-up or Ctrl-C of ours must not reach the server"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn four_starters_at_once_make_one_server() {
    let scratch = Scratch::new();
    let start = |path: PathBuf| async move { EmbeddedPostgres::ensure_running(&path, HASTY).await };
    let starters: Vec<_> = (0..4)
        .map(|_| tokio::spawn(start(scratch.0.clone())))
        .collect();
    let mut started_at = Vec::new();
    for starter in starters {
        started_at.push(
            start_time(
                &starter
                    .await
                    .unwrap()
                    .unwrap_or_else(|error| panic!("{error}")),
            )
            .await,
        );
    }
    started_at.dedup();
    assert_eq!(started_at.len(), 1, "{started_at:?}");
}

#[tokio::test]
async fn a_half_made_cluster_is_never_taken_for_a_good_one() {
    let scratch = Scratch::new();
    let half_made = scratch.0.join("pg.tmp-1");
    fs::create_dir(&half_made).unwrap();
    fs::write(half_made.join("PG_VERSION"), "15\n").unwrap();
    let server = scratch.server().await;
    assert!(!half_made.exists());
    write_row(&server).await;
}

#[tokio::test]
async fn a_killed_server_is_started_again_with_its_data() {
    let scratch = Scratch::new();
    let server = scratch.server().await;
    write_row(&server).await;
    let before = start_time(&server).await;
    kill_process(scratch.postmaster(), Signal::KILL).unwrap();
    let again = scratch.server().await;
    assert_ne!(start_time(&again).await, before);
    assert_eq!(read_row(&again).await, "it is here");
}

#[actix::test]
async fn the_server_outlives_the_node_that_started_it() {
    let scratch = Scratch::new();
    let arguments = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        scratch.0.to_str().unwrap(),
    ];
    let mut first = NodeProcess::start("node-1", &arguments, &[]);
    first.says("joined the cluster").await;
    let postmaster = scratch.postmaster();

    first.signal(Signal::KILL);
    first.ended().await;
    let second = NodeProcess::start("node-2", &arguments, &[]);
    second.says("joined the cluster").await;

    assert_eq!(scratch.postmaster(), postmaster, "the second node found it");
}

#[tokio::test]
async fn a_pid_file_that_names_a_zombie_does_not_block_the_start() {
    let scratch = Scratch::new();
    let server = scratch.server().await;
    write_row(&server).await;
    let pid_file = fs::read_to_string(scratch.pid_file()).unwrap();
    server.stop().await.unwrap();

    let owner = fs::metadata(scratch.0.join("pg")).unwrap();
    let mut dying = Command::new("true");
    if rustix::process::geteuid().is_root() {
        dying.uid(owner.uid()).gid(owner.gid()); // PostgreSQL only minds processes of its own user
    }
    let mut dying = dying.spawn().unwrap(); // nobody waits for it yet
    let rest = pid_file.split_once('\n').unwrap().1;
    fs::write(scratch.pid_file(), format!("{}\n{rest}", dying.id())).unwrap();
    chown(scratch.pid_file(), Some(owner.uid()), Some(owner.gid())).unwrap();
    server
        .stop()
        .await
        .expect("a server that is down is stopped, whatever its pid file says");
    assert_eq!(read_row(&scratch.server().await).await, "it is here");
    dying.wait().unwrap();
}

#[tokio::test]
async fn a_restart_keeps_the_data_in_both_modes() {
    let scratch = Scratch::new();
    let server = scratch.server().await;
    write_row(&server).await;
    for stop_mode in [StopMode::Fast, StopMode::Immediate] {
        let before = start_time(&server).await;
        server.restart(stop_mode).await.unwrap();
        assert_ne!(start_time(&server).await, before);
        assert_eq!(read_row(&server).await, "it is here");
    }
}

#[tokio::test]
async fn a_long_path_gets_a_short_socket_directory() {
    let scratch = Scratch::named(&format!(
        "horolog-test-{}-{}",
        Uuid::new_v4().simple(),
        "long".repeat(20)
    ));
    let server = scratch.server().await;
    let socket_dir = server
        .url()
        .replace("postgresql://horolog@", "")
        .replace("/horolog", "")
        .replace("%2F", "/");
    assert!(socket_dir.starts_with("/tmp/horolog-"), "{socket_dir}");
    assert_eq!(mode(Path::new(&socket_dir)), 0o700);
    assert_eq!(
        start_time(&server).await,
        start_time(&scratch.server().await).await
    );
    server.stop().await.unwrap();
    assert!(
        !Path::new(&socket_dir).exists(),
        "nothing is left behind in /tmp"
    );
}

#[tokio::test]
async fn awkward_paths_work_or_are_refused() {
    let scratch = Scratch::named(&format!("horolog test, it's {}", Uuid::new_v4().simple()));
    write_row(&scratch.server().await).await;
    let expansion = Scratch::named(&format!("horolog-$(id)-{}", Uuid::new_v4().simple()));
    let error = EmbeddedPostgres::ensure_running(&expansion.0, HASTY)
        .await
        .unwrap_err();
    assert!(
        matches!(error, EmbeddedPostgresError::UnusablePath(_)),
        "{error}"
    );
}

#[tokio::test]
async fn without_binaries_the_error_names_the_commands() {
    let (scratch, empty) = (Scratch::new(), Scratch::new());
    let started = EmbeddedPostgres::ensure_running_from(Some(&empty.0), &scratch.0, HASTY).await;
    let message = started.unwrap_err().to_string();
    for part in [
        "apt-get install -y postgresql",
        "brew install postgresql@17",
        "DATABASE_URL",
        "HOROLOG_PG_BIN",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert!(!scratch.0.join("pg").exists());
}

#[tokio::test]
async fn an_old_version_is_refused_by_name() {
    let (scratch, old) = (Scratch::new(), Scratch::new());
    for program in ["initdb", "pg_ctl", "postgres"] {
        let path = old.0.join(program);
        fs::write(&path, "#!/bin/sh\necho 'postgres (PostgreSQL) 13.22'\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
    let started = EmbeddedPostgres::ensure_running_from(Some(&old.0), &scratch.0, HASTY).await;
    let message = started.unwrap_err().to_string();
    assert!(
        message.contains("version 14 or newer") && message.contains("version 13 in"),
        "{message}"
    );
}

#[actix::test]
async fn a_node_that_fails_to_start_stops_only_the_server_that_it_started() {
    let scratch = Scratch::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let arguments = [
        "serve",
        "--listen",
        &listen,
        "--data-dir",
        scratch.0.to_str().unwrap(),
    ];
    let fails = async || {
        let mut node = NodeProcess::start("taken", &arguments, &[]);
        let status = node.ended().await;
        node.says("cannot listen").await;
        assert_eq!(status.code(), Some(1), "{}", node.output());
    };
    fails().await;
    assert!(!scratch.pid_file().exists(), "it had started the server");

    let server = scratch.server().await;
    let postmaster = scratch.postmaster();
    fails().await;
    assert_eq!(scratch.postmaster(), postmaster, "it had found the server");
    let attached = scratch.server().await;
    server.undo().await.unwrap();
    assert_eq!(scratch.postmaster(), postmaster, "another uses it");
    attached.undo().await.unwrap();
    drop(attached);
    assert_eq!(scratch.postmaster(), postmaster, "it did not start it");
    server.undo().await.unwrap();
    assert!(!scratch.pid_file().exists());
}
