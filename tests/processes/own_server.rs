//! A PostgreSQL of a test's own, with durable settings, and its standby.

use crate::support::eventually;
use horolog_embedded_postgres::EmbeddedPostgres;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::PathBuf;
use tokio_postgres::{Client, NoTls};

/// Stopped and removed when dropped, also by a failed test.
pub struct OwnServer {
    directory: PathBuf,
    pub postgres: EmbeddedPostgres,
}

impl OwnServer {
    pub async fn start(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("horolog-{name}-{}", std::process::id()));
        let postgres = EmbeddedPostgres::ensure_running(&directory, &[])
            .await
            .unwrap();
        Self {
            directory,
            postgres,
        }
    }

    /// A streaming standby of this server, with its present data.
    pub async fn standby(&self, name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("horolog-{name}-{}", std::process::id()));
        DirBuilder::new().mode(0o755).create(&directory).unwrap();
        // The server's own user makes the copy, under any user of the test.
        fs::set_permissions(&directory, Permissions::from_mode(0o777)).unwrap();
        let sql = self.sql().await;
        let asked = "select setting, current_setting('unix_socket_directories') from pg_config \
            where name = 'BINDIR'";
        let row = sql.query_one(asked, &[]).await.unwrap();
        let (binaries, socket): (String, String) = (row.get(0), row.get(1));
        let copy = format!(
            "{binaries}/pg_basebackup -h {} -U horolog -D {}/pg -R -c fast",
            socket.trim_matches('"'),
            directory.display()
        );
        sql.batch_execute(&format!("copy (select) to program '{copy}'"))
            .await
            .unwrap();
        let standby = Self {
            postgres: EmbeddedPostgres::ensure_running(&directory, &[])
                .await
                .unwrap(),
            directory,
        };
        let streams = "select from pg_stat_replication where state = 'streaming'";
        eventually("the standby streams", async || {
            sql.query_opt(streams, &[]).await.unwrap()
        })
        .await;
        standby
    }

    /// The server of this directory again, after its kill.
    pub async fn restarted(&self) {
        EmbeddedPostgres::ensure_running(&self.directory, &[])
            .await
            .unwrap();
    }

    /// Kills the server like a power cut: nothing is flushed, no session is told.
    pub async fn kill(&self) {
        let file = fs::read_to_string(self.directory.join("pg/postmaster.pid")).unwrap();
        let pid = Pid::from_raw(file.lines().next().unwrap().parse().unwrap()).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
        eventually("the server is gone", async || {
            test_kill_process(pid).is_err().then_some(())
        })
        .await;
    }

    /// Where the socket is, as a URL names it.
    pub fn host(&self) -> String {
        let url = self.postgres.url();
        let (_, rest) = url.split_once('@').unwrap();
        rest.split_once('/').unwrap().0.to_owned()
    }

    pub async fn sql(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.postgres.url(), NoTls)
            .await
            .unwrap();
        tokio::spawn(connection); // ends with the client
        client
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let postgres = self.postgres.clone();
        let stopped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(postgres.stop())
        });
        // Stopped already when the test went well.
        drop(stopped.join());
        drop(fs::remove_dir_all(&self.directory));
    }
}
