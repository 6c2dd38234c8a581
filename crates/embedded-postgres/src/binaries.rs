//! The server binaries that the system has.

use crate::error::{EmbeddedPostgresError, Result, at};
use crate::program::text;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// Oldest major version of PostgreSQL that is used.
pub const MAJOR_MIN: u32 = 14;
/// A directory that has the is one of server binaries.
const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// The major version that made the cluster, `None` when there is no cluster.
pub(crate) fn cluster_major(cluster: &Path) -> Result<Option<u32>> {
    let path = cluster.join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(leading_number(text.trim())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at("read", &path)(error)),
    }
}

/// The first directory whose binaries are new enough and, if there is a cluster, of the version
/// that made it. `asked`: no other directory is searched.
pub(crate) async fn find_binaries(asked: Option<&Path>, made_by: Option<u32>) -> Result<PathBuf> {
    let mut unusable = vec![String::new()];
    for dir in asked.map_or_else(binary_dirs, |dir| vec![dir.to_owned()]) {
        if !PROGRAMS.iter().all(|program| dir.join(program).is_file()) {
            continue;
        }
        match major_of(&dir).await {
            Ok(major) if made_by.is_none_or(|made_by| made_by == major) && major >= MAJOR_MIN => {
                return Ok(dir);
            }
            Ok(major) => unusable.push(format!("not usable: version {major} in {}", dir.display())),
            Err(error) => unusable.push(format!("not usable: {error}")),
        }
    }
    let wanted = match made_by {
        Some(major) => format!("version {major}, which made the existing cluster,"),
        None => format!("version {MAJOR_MIN} or newer"),
    };
    let searched = match asked {
        Some(dir) => format!("{} (HOROLOG_PG_BIN)", dir.display()),
        None => "/usr/lib/postgresql, /usr/pgsql-*, Homebrew, Postgres.app and PATH".to_owned(),
    };
    Err(EmbeddedPostgresError::NoBinaries {
        programs: &PROGRAMS,
        wanted,
        searched,
        unusable: unusable.join("\n"),
    })
}

/// Directories where systems put server binaries, the newest version first. Debian and Homebrew
/// keep them out of `PATH`.
fn binary_dirs() -> Vec<PathBuf> {
    let mut dirs = versions_in("/usr/lib/postgresql", "", "bin");
    dirs.extend(versions_in("/usr", "pgsql-", "bin"));
    dirs.extend(versions_in("/opt/homebrew/opt", "postgresql@", "bin"));
    dirs.extend(versions_in("/usr/local/opt", "postgresql@", "bin"));
    dirs.extend(versions_in(
        "/Applications/Postgres.app/Contents/Versions",
        "",
        "bin",
    ));
    dirs.extend(
        env::split_paths(&env::var_os("PATH").unwrap_or_default()).filter(|dir| dir.is_absolute()),
    );
    dirs
}

/// `parent/<prefix><number>/<suffix>` for all numbers there, the highest first.
fn versions_in(parent: &str, prefix: &str, suffix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let number = leading_number(name.to_str()?.strip_prefix(prefix)?)?;
            Some((number, entry.path().join(suffix)))
        })
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, path)| path).collect()
}

/// The major version by `postgres --version`: "postgres (PostgreSQL) 15.20 (Debian
/// 15.20-0+deb12u1)".
async fn major_of(dir: &Path) -> Result<u32> {
    let path = dir.join("postgres");
    let output = Command::new(&path)
        .arg("--version")
        .env_clear()
        .output()
        .await
        .map_err(at("run", &path))?;
    let version = String::from_utf8_lossy(&output.stdout)
        .split_whitespace()
        .find_map(leading_number);
    version.ok_or_else(|| at("read the version of", &path)(io::Error::other(text(&output))))
}

/// The major version in a text: 17 of `17beta1`.
fn leading_number(text: &str) -> Option<u32> {
    text.split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}
