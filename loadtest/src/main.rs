//! The harness's program.

fn main() {}
