//! The user that the server runs as: PostgreSQL refuses to run as root.

use crate::error::{EmbeddedPostgresError, Result, at};
use std::env;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, lchown};
use std::path::Path;
use tokio::process::Command;

/// The user that the server runs as and that owns its files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Account {
    /// The owner of the cluster. Without a cluster: the process's own user, or for root the user of
    /// `HOROLOG_PG_USER`, else the first known user of `SUDO_USER`, `postgres`, `nobody`.
    pub(crate) async fn for_cluster(cluster: &Path) -> Result<Self> {
        if !is_root() {
            let (uid, gid) = (
                rustix::process::geteuid().as_raw(),
                rustix::process::getegid().as_raw(),
            );
            return Ok(Self { uid, gid });
        }
        if let Ok(owner) = fs::metadata(cluster)
            && owner.uid() != 0
        {
            return Ok(Self {
                uid: owner.uid(),
                gid: owner.gid(),
            });
        }
        if let Ok(name) = env::var("HOROLOG_PG_USER") {
            return Self::look_up(&name).await.ok_or_else(|| {
                EmbeddedPostgresError::NoAccount(format!(
                    "HOROLOG_PG_USER names `{name}`, which is root or unknown to this system"
                ))
            });
        }
        for name in [
            env::var("SUDO_USER").unwrap_or_default().as_str(),
            "postgres",
            "nobody",
        ] {
            if let Some(account) = Self::look_up(name).await {
                return Ok(account);
            }
        }
        Err(EmbeddedPostgresError::NoAccount(
            "there is no user `postgres` or `nobody`".to_owned(),
        ))
    }

    /// The user's numbers if the system knows it and it is not root; initdb wants an entry in
    /// `passwd`.
    async fn look_up(name: &str) -> Option<Self> {
        let (uid, gid) = (id_of("-u", name).await?, id_of("-g", name).await?);
        (uid != 0).then_some(Self { uid, gid })
    }

    /// Makes `path` a directory that only this account can enter, or checks that it is one. The
    /// directory of another user is refused: below `/tmp` it may be a trap.
    pub(crate) fn make_private_dir(self, path: &Path) -> Result<()> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(at("create", path)(error));
            }
            _ => {}
        }
        let found = fs::symlink_metadata(path).map_err(at("look at", path))?;
        // Made a moment ago, or by a process that died before the chown.
        let made_by_root = is_root() && found.uid() == 0;
        if !found.is_dir() || !(made_by_root || found.uid() == self.uid) {
            return Err(EmbeddedPostgresError::NotOurs {
                path: path.to_owned(),
                uid: self.uid,
                found: found.uid(),
            });
        }
        self.own(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o700))
            .map_err(at("set the mode of", path))
    }

    /// Gives the path to the account, if the process is root.
    pub(crate) fn own(self, path: &Path) -> Result<()> {
        if is_root() {
            lchown(path, Some(self.uid), Some(self.gid)).map_err(at("give away", path))
        } else {
            Ok(())
        }
    }
}

/// `id -u NAME` and `id -g NAME`: the look-up of the system, which also knows users outside
/// `/etc/passwd`.
async fn id_of(flag: &str, name: &str) -> Option<u32> {
    let output = Command::new("id")
        .args([flag, "--", name])
        .output()
        .await
        .ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// Whether the process is root, so a child has to change its user.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
