//! What commands print. Stdout and stderr may be full or closed: `print!` and `eprint!` would panic
//! then.

use super::{CLEAN, FAILED};
use std::fmt::Display;
use std::io::{self, Write};

/// Prints the text that the command was asked for; the exit code.
pub fn print(text: &[u8]) -> i32 {
    let mut out = io::stdout().lock();
    written(out.write_all(text).and_then(|()| out.flush()))
}

/// The exit code of a command whose work was to write.
pub fn written(result: io::Result<()>) -> i32 {
    match result {
        Ok(()) => CLEAN,
        Err(error) => {
            complain(&format!("cannot write: {error}"));
            FAILED
        }
    }
}

/// Prints a line about what the command did. It may be lost: the exit code tells.
pub fn say(line: impl Display) {
    drop(writeln!(io::stdout(), "{line}"));
}

/// Prints on stderr what was wrong. It may be lost: the exit code tells.
pub fn complain(error: &str) {
    drop(writeln!(io::stderr(), "horolog: {error}"));
}
