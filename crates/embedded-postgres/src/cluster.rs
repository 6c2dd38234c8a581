//! The cluster: PostgreSQL's data directory, made once.

use crate::error::{Result, at};
use crate::{EmbeddedPostgres, NAME};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::Path;

impl EmbeddedPostgres {
    /// Creates the cluster under another name and renames it, so an incomplete one is never used.
    pub(crate) async fn create_cluster_if_missing(&self) -> Result<()> {
        self.remove_incomplete_clusters()?;
        if self.cluster().join("PG_VERSION").exists() {
            return Ok(());
        }
        let incomplete = self.data_dir.join(format!("pg.tmp-{}", std::process::id()));
        if let Err(error) = self.initdb(&incomplete, "C.UTF-8").await {
            // macOS and old glibc have no C.UTF-8; any other failure repeats with C.
            tracing::debug!(%error, "initdb with locale C.UTF-8 failed, trying C");
            self.initdb(&incomplete, "C").await?;
        }
        fs::rename(&incomplete, self.cluster())
            .map_err(at("rename the new cluster to", &self.cluster()))?;
        // The next sweep would delete the data if a power cut undid the rename.
        File::open(&self.data_dir)
            .and_then(|dir| dir.sync_all())
            .map_err(at("sync", &self.data_dir))?;
        tracing::info!(path = %self.cluster().display(), "created a PostgreSQL cluster");
        Ok(())
    }

    async fn initdb(&self, path: &Path, locale: &str) -> Result<()> {
        remove_dir_if_there(path)?;
        self.account.make_private_dir(path)?;
        let locale = format!("--locale={locale}");
        // `trust` admits every process that can open the socket. The socket is in a directory of
        // mode 0700, so only the owner and root can, and both can read the data files anyway. TCP
        // is off; if a setting ever turns it on, it admits no one.
        let auth = ["--auth-local=trust", "--auth-host=reject"];
        let kind = [
            "--username",
            NAME,
            "--encoding=UTF8",
            &locale,
            "--data-checksums",
            "--no-instructions",
        ];
        let args = [OsStr::new("--pgdata"), path.as_os_str()].into_iter();
        self.run(
            "initdb",
            args.chain(auth.into_iter().chain(kind).map(OsStr::new)),
        )
        .await
    }

    /// Removes the clusters of interrupted initdb runs. The lock is ours, so no other process is
    /// creating one.
    fn remove_incomplete_clusters(&self) -> Result<()> {
        for entry in fs::read_dir(&self.data_dir)
            .map_err(at("list", &self.data_dir))?
            .flatten()
        {
            if entry.file_name().as_encoded_bytes().starts_with(b"pg.tmp-")
                && let Err(error) = fs::remove_dir_all(entry.path())
            {
                // An initdb whose parent was killed may still be writing. It is harmless, and the
                // next start removes its files.
                let path = entry.path();
                tracing::warn!(path = %path.display(), %error, "cannot remove an incomplete cluster");
            }
        }
        Ok(())
    }
}

fn remove_dir_if_there(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at("remove", path)(error)),
        _ => Ok(()),
    }
}
