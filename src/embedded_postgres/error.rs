//! What may go wrong with the embedded server, said to whoever has to mend it.

use super::BUSY_MAX;
use super::system::PROGRAMS;
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no server, for the person who has to do something about it.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedPostgresError {
    /// Nothing usable is installed where we look.
    #[error(
        "found no PostgreSQL server binaries ({}) of {wanted} in {searched}; install them:\n  \
         Debian, Ubuntu:  apt-get install -y postgresql\n  \
         macOS:           brew install postgresql@17\n\
         or set HOROLOG_PG_BIN to the directory that holds them, or DATABASE_URL to a server that already runs{unusable}",
        PROGRAMS.join(", ")
    )]
    NoBinaries {
        /// Which versions would do, and why.
        wanted: String,
        /// Where they were looked for.
        searched: String,
        /// What was found instead, as a remark.
        unusable: String,
    },
    /// PostgreSQL refuses to run as root, and there is nobody else to run it as.
    #[error(
        "PostgreSQL does not run as root, and {0}; set HOROLOG_PG_USER to an unprivileged user of this system, or set DATABASE_URL"
    )]
    NoAccount(String),
    /// The path would be misread by the shell that `pg_ctl` uses, or is no text.
    #[error(
        "the data directory {0:?} has a quote, `$`, `\\` or control character in its path; PostgreSQL's pg_ctl cannot take it: choose another directory"
    )]
    UnusablePath(PathBuf),
    /// There is no home directory to put the data in.
    #[error(
        "neither XDG_DATA_HOME nor HOME is an absolute path, so there is no place for the data; set one, or DATABASE_URL"
    )]
    NoHome,
    /// A directory that must be private belongs to somebody else.
    #[error(
        "{path} must be a directory of uid {uid}, and is not (uid {found}); remove it, or choose another data directory"
    )]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// Who should own it.
        uid: u32,
        /// Who does.
        found: u32,
    },
    /// A file operation failed.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// One of PostgreSQL's programs failed.
    #[error(
        "{status} for uid {uid} (who must be able to reach the paths) of `{command}`:\n{output}"
    )]
    Program {
        /// The command line.
        command: String,
        /// The user it ran as.
        uid: u32,
        /// How it ended.
        status: String,
        /// What it and the end of the server's log said.
        output: String,
    },
    /// The server exists but does not take connections in time.
    #[error("PostgreSQL in {path} took no connection for {} s ({why}); it may be recovering: see {path}/postgres.log, then try again", BUSY_MAX.as_secs())]
    Busy {
        /// The data directory.
        path: PathBuf,
        /// What it answered last.
        why: String,
    },
    /// The server answers with an error that waiting does not heal.
    #[error("PostgreSQL in {path} refused {action}: {why}")]
    Refused {
        /// The data directory.
        path: PathBuf,
        /// What was asked of it.
        action: &'static str,
        /// What it said.
        why: String,
    },
}

/// Names the operation and the path of an I/O error.
pub(super) fn at<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> EmbeddedPostgresError + 'a {
    move |source| EmbeddedPostgresError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}
