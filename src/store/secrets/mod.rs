//! Secrets: encrypted values, the jobs that refer to them, and what an attempt reads.

pub mod changes;
pub mod reader;
pub(crate) mod references;
pub mod rows;

pub use reader::{SecretError, SecretReader};
