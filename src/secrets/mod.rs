//! Secrets: the encryption, the use in an attempt, and signatures of webhooks.
//!
//! The database has the values encrypted (AES-256-GCM, with a key that only the nodes have).
//! Definitions have references; a value exists in the memory of the sending node, and in the
//! request.

mod attempt;
mod key_file;
mod keys;
mod signing;

pub use attempt::{AttemptSecrets, KnownSecret};
pub use key_file::KeyFileError;
pub use keys::{Binding, CannotOpen, Keys, NoKey, Sealed};
pub use signing::SigningKey;
