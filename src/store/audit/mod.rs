//! The audit log. Writes `audit_log`.
//!
//! A transaction keeps the entries of its command and writes them with its commit ([`entry`]).
//! Sealing links the committed rows in a hash chain afterwards ([`seal`], [`chain`]), so that no
//! command waits for another one.

pub mod chain;
pub mod entry;
pub mod list;
pub mod purge;
pub mod reader;
pub mod refusals;
pub mod row;
pub mod seal;
pub mod verify;
