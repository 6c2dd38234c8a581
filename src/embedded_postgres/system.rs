//! What the embedded server needs of the system: binaries, and a user to run
//! as. Read only, apart from directories that it makes private.

use super::error::{EmbeddedPostgresError, at};
use super::{Result, text};
use std::env;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// Oldest major version of PostgreSQL that Horolog runs on.
pub const MAJOR_MIN: u32 = 14;
/// What makes a directory one of server binaries.
pub(super) const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// Whom the server runs as, and who owns its files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Account {
    /// Whoever owns the cluster; else ourselves; else, for root, the first of the users that may
    /// do.
    pub(super) async fn for_cluster(cluster: &Path) -> Result<Self> {
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
            let why = || {
                format!("HOROLOG_PG_USER names `{name}`, which is root or unknown to this system")
            };
            return Self::look_up(&name)
                .await
                .ok_or_else(|| EmbeddedPostgresError::NoAccount(why()));
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

    /// Makes `path` a directory that only this account can enter, or checks that it is one. One of
    /// somebody else is refused: below `/tmp` it may be a trap.
    pub(super) fn make_private_dir(self, path: &Path) -> Result<()> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(at("create", path)(error));
            }
            _ => {}
        }
        let found = fs::symlink_metadata(path).map_err(at("look at", path))?;
        let made_by_root = is_root() && found.uid() == 0; // just now, or by one who died before the chown
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

    /// Gives the path to this account, if we are root and it is another.
    pub(super) fn own(self, path: &Path) -> Result<()> {
        if is_root() {
            lchown(path, Some(self.uid), Some(self.gid)).map_err(at("give away", path))
        } else {
            Ok(())
        }
    }
}

/// The major version that made the cluster, `None` when there is no cluster.
pub(super) fn cluster_major(cluster: &Path) -> Result<Option<u32>> {
    let path = cluster.join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(leading_number(text.trim())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at("read", &path)(error)),
    }
}

/// The first directory whose binaries are new enough and, when there is a cluster, of the version
/// that made it.
pub(super) async fn find_binaries(asked: Option<&Path>, made_by: Option<u32>) -> Result<PathBuf> {
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
        wanted,
        searched,
        unusable: unusable.join("\n"),
    })
}

/// Where systems put server binaries, newest first: Debian keeps them out of `PATH`, as does
/// Homebrew.
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
    let number = |name: &OsStr| leading_number(name.to_str()?.strip_prefix(prefix)?);
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|e| Some((number(&e.file_name())?, e.path().join(suffix))))
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

/// "17beta1" is 17.
fn leading_number(text: &str) -> Option<u32> {
    text.split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

/// `id -u NAME` and `id -g NAME`: the system's own look-up, which also knows users that are not in
/// `/etc/passwd`.
async fn id_of(flag: &str, name: &str) -> Option<u32> {
    let output = Command::new("id")
        .args([flag, "--", name])
        .output()
        .await
        .ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// Whether a program would run as root unless we drop it.
pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
