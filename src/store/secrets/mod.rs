//! Secrets: encrypted values, the references of jobs, and the reading for attempts.

pub mod changes;
pub mod reader;
pub(crate) mod references;
pub mod rows;

pub use reader::{SecretError, SecretReader};
