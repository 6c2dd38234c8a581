//! `horolog completions` and `horolog man`: the files that a package installs with the program.

use super::output::{print, written};
use clap::Command;
use clap_complete::Shell;
use std::path::Path;

/// Prints the completions for a shell.
pub fn completions(shell: Shell, mut program: Command) -> i32 {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut program, "horolog", &mut text);
    print(&text)
}

/// Prints the manual page, or writes one for each command into a directory.
pub fn manual(out: Option<&Path>, program: Command) -> i32 {
    let mut page = Vec::new();
    match out {
        Some(directory) => written(clap_mangen::generate_to(program, directory)),
        None => match clap_mangen::Man::new(program).render(&mut page) {
            Ok(()) => print(&page),
            error => written(error),
        },
    }
}
