//! A wrong clock for a process and its children (libfaketime): for one node, or for the whole
//! drill.
//!
//! Monotonic clocks are touched only where a suspended machine is imitated: else waits keep their
//! length.

use super::now;
use chrono::{DateTime, Utc};
use std::ffi::OsString;
use std::path::Path;
use tokio::process::Command;

/// Where distributions put the library, for programs with threads.
const LIBRARIES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
];
const PRELOAD: &str = "LD_PRELOAD";
const SHIFT: &str = "FAKETIME";
const REAL_MONOTONIC: &str = "FAKETIME_DONT_FAKE_MONOTONIC";

/// Path of the library, if it is installed.
pub fn library() -> Option<&'static str> {
    LIBRARIES.into_iter().find(|path| Path::new(path).exists())
}

/// Shifts the clock of a process by the seconds in a file, which may change.
pub fn by_file(command: &mut Command, library: &str, file: &Path) {
    command
        .env(PRELOAD, library)
        .env("FAKETIME_TIMESTAMP_FILE", file)
        // Without this variable the library reads the file every ten seconds only.
        .env("FAKETIME_NO_CACHE", "1");
    command.env(REAL_MONOTONIC, "1");
}

/// As [`by_file`], and the monotonic clock of the process is shifted, too. Programs that ask the
/// kernel for the time since the start of the machine without libc get the right one.
pub fn by_file_with_monotonic(command: &mut Command, library: &str, file: &Path) {
    by_file(command, library, file);
    command.env_remove(REAL_MONOTONIC);
}

/// Sets the clock of a process to an instant at its start.
pub fn begin_at(command: &mut Command, library: &str, begin: DateTime<Utc>) {
    let shift = begin.timestamp() - now() / crate::job::SECOND;
    command
        .env(PRELOAD, library)
        .env(SHIFT, format!("{shift:+}"))
        .env(REAL_MONOTONIC, "1");
}

/// The variables of a shifted clock in this process, if any; for children without the rest of its
/// environment.
pub fn of_this_process() -> Vec<(&'static str, OsString)> {
    let variables = [PRELOAD, SHIFT, REAL_MONOTONIC].into_iter();
    let found: Vec<_> = variables
        .filter_map(|name| Some((name, std::env::var_os(name)?)))
        .collect();
    // `LD_PRELOAD` alone may belong to another library.
    if found.iter().any(|(name, _)| *name == SHIFT) {
        found
    } else {
        Vec::new()
    }
}
