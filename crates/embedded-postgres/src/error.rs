//! What may go wrong with the server, in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};

/// The result of a step of the launcher.
pub(crate) type Result<T> = std::result::Result<T, EmbeddedPostgresError>;

/// Why there is no server, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedPostgresError {
    /// No usable binaries are installed in the directories that were searched.
    #[error(
        "found no PostgreSQL server binaries ({}) of {wanted} in {searched}; install them:\n  \
         Debian, Ubuntu:  apt-get install -y postgresql\n  \
         macOS:           brew install postgresql@17\n\
         or set HOROLOG_PG_BIN to the directory that holds them, or DATABASE_URL to a server that \
         already runs{unusable}",
        programs.join(", ")
    )]
    NoBinaries {
        /// The programs that a directory must have.
        programs: &'static [&'static str],
        /// The versions that are usable, and why.
        wanted: String,
        /// The directories that were searched.
        searched: String,
        /// Binaries that were found and are not usable; a remark, or empty.
        unusable: String,
    },
    /// PostgreSQL refuses to run as root, and there is no other user to run it as.
    #[error(
        "PostgreSQL does not run as root, and {0}; set HOROLOG_PG_USER to an unprivileged user of \
         this system, or set DATABASE_URL"
    )]
    NoAccount(String),
    /// The path would be misread by the shell that `pg_ctl` uses, or is no text.
    #[error(
        "the data directory {0:?} has a quote, `$`, `\\` or control character in its path; \
         PostgreSQL's pg_ctl cannot take it: choose another directory"
    )]
    UnusablePath(PathBuf),
    /// There is no home directory for the data.
    #[error(
        "neither XDG_DATA_HOME nor HOME is an absolute path, so there is no place for the data; \
         set one, or DATABASE_URL"
    )]
    NoHome,
    /// A directory that must be private belongs to another user.
    #[error(
        "{path} must be a directory of uid {uid}, and is not (uid {found}); remove it, or choose \
         another data directory"
    )]
    NotOurs {
        /// The directory that must be private.
        path: PathBuf,
        /// The user that should own it.
        uid: u32,
        /// The user that owns it.
        found: u32,
    },
    /// A file operation failed.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// The operation, as a verb.
        action: &'static str,
        /// The path of the operation.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// One of PostgreSQL's programs failed.
    #[error(
        "{status} for uid {uid} (who must be able to reach the paths) of `{command}`:\n{output}"
    )]
    Program {
        /// The command line that failed.
        command: String,
        /// The user it ran as.
        uid: u32,
        /// Its exit status or signal.
        status: String,
        /// Its output, and the end of the server's log.
        output: String,
    },
    /// The server exists but did not take a connection in time.
    #[error(
        "PostgreSQL in {path} took no connection for {seconds} s ({why}); it may be recovering: \
         see {path}/postgres.log, then try again"
    )]
    Busy {
        /// Data directory of the server.
        path: PathBuf,
        /// How long the launcher waited.
        seconds: u64,
        /// The last answer of the server.
        why: String,
    },
    /// The server answers with an error that no wait ends.
    #[error("PostgreSQL in {path} refused {action}: {why}")]
    Refused {
        /// Data directory of the server.
        path: PathBuf,
        /// The request that was refused.
        action: &'static str,
        /// The error of the server.
        why: String,
    },
}

/// Names the operation and the path of an I/O error.
pub(crate) fn at<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> EmbeddedPostgresError + 'a {
    move |source| EmbeddedPostgresError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}
