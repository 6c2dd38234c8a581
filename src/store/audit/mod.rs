//! The audit log. Writes `audit_log`.
//!
//! A transaction keeps the entries of the command and writes the entries with COMMIT ([`entry`]).
//! Sealing links the committed rows in a hash chain afterwards ([`seal`], [`chain`]), so no command
//! waits for another command.

pub mod chain;
pub mod entry;
pub mod list;
pub mod purge;
pub mod reader;
pub mod refusals;
pub mod row;
pub mod seal;
pub mod verify;
