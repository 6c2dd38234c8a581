//! The account of the operating system, as the author of what a command of the command line
//! changes.

use crate::model::access::Caller;
use crate::store::author::Author;
use rustix::process::getuid;
use std::sync::Arc;

/// The author of a command. The names of the environment are a hint for a log, no proof: who has
/// the URL of the database may do everything.
pub fn author(command: &str) -> Author {
    let name = ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()))
        .unwrap_or_else(|| format!("uid {}", getuid().as_raw()));
    Author::command(Arc::new(Caller::command_line(&name)), command)
}
