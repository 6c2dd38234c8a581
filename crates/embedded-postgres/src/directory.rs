//! The data directory: where it is, who may enter it, and its lock.

use crate::NAME;
use crate::account::is_root;
use crate::error::{EmbeddedPostgresError, Result, at};
use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Default data directory: `/var/lib/horolog` for root, because the unprivileged server can reach
/// it, else `horolog` below `XDG_DATA_HOME` or `~/.local/share`.
pub fn default_data_dir() -> Result<PathBuf> {
    if is_root() {
        return Ok(Path::new("/var/lib").join(NAME));
    }
    let data_home = absolute_path_of("XDG_DATA_HOME")
        .or_else(|| absolute_path_of("HOME").map(|home| home.join(".local/share")));
    Ok(data_home.ok_or(EmbeddedPostgresError::NoHome)?.join(NAME))
}

/// Whether a directory has a cluster, for a caller that must not create one.
#[must_use]
pub fn has_cluster(data_dir: &Path) -> bool {
    data_dir.join("pg").is_dir()
}

/// The value of a variable, if it is an absolute path.
fn absolute_path_of(variable: &str) -> Option<PathBuf> {
    env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}

/// Creates the directory if there is none, and resolves links, so all its names mean the same
/// server.
pub(crate) fn prepare_data_dir(path: &Path) -> Result<PathBuf> {
    if !path.exists() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(path)
            .map_err(at("create", path))?;
        // For root: the unprivileged server passes through the directory, whatever the umask. Its
        // files are private anyway.
        let mode = if is_root() { 0o755 } else { 0o700 };
        fs::set_permissions(path, Permissions::from_mode(mode))
            .map_err(at("set the mode of", path))?;
    }
    let path = fs::canonicalize(path).map_err(at("find", path))?;
    if path
        .to_str()
        .is_some_and(|text| text.chars().all(is_safe_in_shell))
    {
        Ok(path)
    } else {
        Err(EmbeddedPostgresError::UnusablePath(path))
    }
}

/// Whether `pg_ctl`, which passes its options through a shell, reads a character unchanged.
fn is_safe_in_shell(char: char) -> bool {
    !char.is_control() && !matches!(char, '"' | '`' | '$' | '\\')
}

/// Takes the lock of the directory. The drop of the file releases it, and so does the death of the
/// process: std opens files close-on-exec, so the server does not inherit it.
pub(crate) async fn lock(data_dir: &Path) -> Result<File> {
    let path = data_dir.join("lock");
    let name = path.clone();
    let locked = tokio::task::spawn_blocking(move || {
        let file = lock_file(&name)?;
        file.lock().map(|()| file)
    });
    locked
        .await
        .map_err(io::Error::from)
        .flatten()
        .map_err(at("lock", &path))
}

pub(crate) fn lock_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}
