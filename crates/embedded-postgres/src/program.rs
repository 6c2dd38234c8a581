//! PostgreSQL's programs: `initdb` and `pg_ctl`, run as the user of the server.

use crate::EmbeddedPostgres;
use crate::account::is_root;
use crate::error::{EmbeddedPostgresError, Result, at};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};
use tokio::process::Command;

/// Bytes of the server's log that an error may repeat.
const LOG_BYTES_MAX: usize = 2_000;
/// Lines of the server's log that an error repeats.
const LOG_LINES_MAX: usize = 10;

impl EmbeddedPostgres {
    /// Runs a program as the user of the server, in a clean environment: without `PG*` variables,
    /// locale and working directory of the caller.
    pub(crate) async fn run<'a>(
        &self,
        program: &str,
        args: impl Iterator<Item = &'a OsStr>,
    ) -> Result<()> {
        let path = self.binaries.join(program);
        let mut command = Command::new(&path);
        command
            .args(args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C")
            .current_dir("/");
        // In a process group of its own, so a Ctrl-C reaches the process and not initdb.
        command.stdin(Stdio::null()).process_group(0);
        if is_root() {
            // std drops the supplementary groups, too.
            command.uid(self.account.uid).gid(self.account.gid);
        }
        let output = command.output().await.map_err(at("run", &path))?;
        if output.status.success() {
            return Ok(());
        }
        Err(EmbeddedPostgresError::Program {
            command: format!("{:?}", command.as_std()),
            uid: self.account.uid,
            status: output.status.to_string(),
            output: text(&output) + &log_end(&self.log_file()),
        })
    }
}

/// The last lines of the server's log. PostgreSQL writes there why it did not start.
fn log_end(path: &Path) -> String {
    let log = fs::read(path).unwrap_or_default();
    if log.is_empty() {
        return String::new();
    }
    let end = String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_BYTES_MAX)..]).into_owned();
    let lines: Vec<_> = end.lines().rev().take(LOG_LINES_MAX).collect();
    lines
        .iter()
        .rev()
        .fold(format!("end of {}:", path.display()), |text, line| {
            text + "\n  " + line
        })
}

/// Standard output and standard error.
pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
