//! Output of commands. Stdout and stderr may be full or closed: `print!` and `eprint!` would panic
//! then.

use super::{CLEAN, FAILED};
use std::fmt::Display;
use std::io::{self, Write};

/// Prints the result of a command; returns the exit code.
pub fn print(text: &[u8]) -> i32 {
    let mut out = io::stdout().lock();
    written(out.write_all(text).and_then(|()| out.flush()))
}

/// The exit code of a command whose work is its output.
pub fn written(result: io::Result<()>) -> i32 {
    match result {
        Ok(()) => CLEAN,
        Err(error) => {
            complain(&format!("cannot write: {error}"));
            FAILED
        }
    }
}

/// Prints a line about the work of a command. A failed write is ignored: the exit code has the
/// result.
pub fn say(line: impl Display) {
    drop(writeln!(io::stdout(), "{line}"));
}

/// Prints an error on stderr. A failed write is ignored: the exit code has the result.
pub fn complain(error: &str) {
    drop(writeln!(io::stderr(), "horolog: {error}"));
}
