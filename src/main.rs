//! The `horolog` program.

use std::process::exit;

fn main() {
    // Exits without unwinding: an actor that never ran would panic in its drop, because the reactor
    // is gone already.
    exit(horolog::cli::run());
}
