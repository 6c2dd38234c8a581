//! `horolog completions` and `horolog man`: what a package installs beside the program.

use super::{CLEAN, FAILED};
use clap::Command;
use clap_complete::Shell;
use std::io::{self, Write};
use std::path::Path;

/// Prints the completions for a shell.
pub fn completions(shell: Shell, mut program: Command) -> i32 {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut program, "horolog", &mut text);
    written(io::stdout().write_all(&text))
}

/// Prints the manual page, or writes one for each command into a directory.
pub fn manual(out: Option<&Path>, program: Command) -> i32 {
    written(match out {
        Some(directory) => clap_mangen::generate_to(program, directory),
        None => clap_mangen::Man::new(program).render(&mut io::stdout()),
    })
}

fn written(result: io::Result<()>) -> i32 {
    match result {
        Ok(()) => CLEAN,
        Err(error) => {
            eprintln!("horolog: cannot write: {error}");
            FAILED
        }
    }
}
