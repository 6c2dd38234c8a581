//! Connections, sessions and rows: how the database is reached, and how statements are sent.
//!
//! Nothing here knows a table, except for the migrations and the rights of the roles.

pub(crate) mod admission;
pub mod budget;
mod calls;
pub mod database;
pub mod grants;
pub mod listener;
pub mod migrate;
pub(crate) mod parts;
pub(crate) mod pool;
pub(crate) mod pooler;
pub(crate) mod refusal;
pub(crate) mod row;
pub(crate) mod session;
pub mod statement;
pub(crate) mod timeline;
pub(crate) mod tls;
pub(crate) mod unreadable;
