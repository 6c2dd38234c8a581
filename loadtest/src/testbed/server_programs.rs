//! The programs of PostgreSQL on this machine, and the user of the processes.

use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::Output;
use tokio::process::Command;

/// The user of server processes: PostgreSQL refuses root.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Root becomes `postgres`, or `nobody`; other users stay the same.
pub(super) async fn account() -> Result<Option<Account>, anyhow::Error> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let (Some(uid), Some(gid)) = (id("-u", name).await, id("-g", name).await) {
            return Ok(Some(Account { uid, gid }));
        }
    }
    bail!("PostgreSQL cannot run as root, and there is neither a user `postgres` nor `nobody`")
}

/// The user id (`-u`) or group id (`-g`) of a user.
async fn id(flag: &str, user: &str) -> Option<u32> {
    let output: Output = Command::new("id").args([flag, user]).output().await.ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// `HOROLOG_PG_BIN`, or the newest of the system's.
pub(super) fn binaries() -> Result<PathBuf, anyhow::Error> {
    if let Some(directory) = std::env::var_os("HOROLOG_PG_BIN") {
        return Ok(directory.into());
    }
    let entries = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"]
        .iter()
        .filter_map(|d| std::fs::read_dir(d).ok());
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("initdb").is_file())
        .collect();
    // By number: as texts, version 9 would be newer than 15.
    found.sort_by_key(|bin| {
        let name = bin
            .parent()
            .and_then(Path::file_name)
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        name.rsplit('@')
            .next()
            .and_then(|version| version.parse::<u32>().ok())
    });
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let in_path =
        std::env::split_paths(&paths).find(|directory| directory.join("initdb").is_file());
    found.pop().or(in_path).context(
        "no PostgreSQL server: install it (Debian: \
        apt-get install postgresql), or name its directory in HOROLOG_PG_BIN",
    )
}
