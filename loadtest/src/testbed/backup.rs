//! Backup and restore of a server, as docs/postgresql.md says: a base backup, an archive of the
//! WAL, and a recovery from both to an instant.

use super::postgres::Postgres;
use anyhow::{Context, ensure};
use std::path::PathBuf;
use std::time::Duration;

/// How long a recovery, or the archiver, may take.
const RECOVERY_MAX: Duration = Duration::from_mins(1);

impl Postgres {
    fn archive_directory(&self) -> PathBuf {
        self.directory().join("archive")
    }

    fn backup_directory(&self) -> PathBuf {
        self.directory().join("backup")
    }

    /// Archives the WAL from now on; restarts the server.
    pub async fn archive(&self) -> Result<(), anyhow::Error> {
        let archive = self.archive_directory();
        self.own_directory(&archive)?;
        self.configure(&format!(
            "archive_mode = on\narchive_command = 'cp %p {}/%f'\n",
            archive.display()
        ))?;
        self.stop("fast").await?;
        self.start().await?;
        Ok(())
    }

    /// Makes a base backup, in place of an earlier one.
    pub async fn back_up(&self) -> Result<(), anyhow::Error> {
        let backup = self.backup_directory();
        if backup.exists() {
            std::fs::remove_dir_all(&backup)?;
        }
        let arguments = ["-c", "fast", "-X", "none", "-d", &self.connection(), "-D"];
        let backup = backup.display().to_string();
        self.run(
            "pg_basebackup",
            &[arguments.as_slice(), &[&backup]].concat(),
        )
        .await
    }

    /// The present instant, by the server's clock; everything before it is in the archive when this
    /// returns.
    pub async fn archived_instant(&self) -> Result<String, anyhow::Error> {
        let sql = self.sql().await?;
        let row = sql.query_one("select clock_timestamp()::text", &[]).await?;
        // A recovery stops at the first commit after its target: there must be one.
        sql.batch_execute("select pg_logical_emit_message(true, 'drill', 'after')")
            .await?;
        let wal: String = sql
            .query_one("select pg_walfile_name(pg_switch_wal())", &[])
            .await?
            .get(0);
        let archived = self.archive_directory().join(wal);
        let waited = tokio::time::timeout(RECOVERY_MAX, async {
            while !archived.exists() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        waited.await.context("the WAL was not archived")?;
        Ok(row.get(0))
    }

    /// Replaces the server's files by the last backup, and recovers to an instant. The server is
    /// stopped before; afterwards it takes writes, on a new timeline.
    pub async fn restore(&self, until: &str) -> Result<(), anyhow::Error> {
        ensure!(self.backup_directory().exists(), "there is no backup");
        self.stop("immediate").await?;
        let data = self.data_directory();
        std::fs::remove_dir_all(data)?;
        std::fs::rename(self.backup_directory(), data)?;
        self.configure(&format!(
            "restore_command = 'cp {}/%f %p'\nrecovery_target_time = '{until}'\n\
             recovery_target_action = 'promote'\n",
            self.archive_directory().display()
        ))?;
        self.own_file(&data.join("recovery.signal"), "")?;
        self.start().await?;
        let sql = self.sql().await?;
        let waited = tokio::time::timeout(RECOVERY_MAX, async {
            while sql
                .query_one("select pg_is_in_recovery()", &[])
                .await?
                .get(0)
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Ok::<_, anyhow::Error>(())
        });
        waited.await.context("the recovery does not end")?
    }
}
