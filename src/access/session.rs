//! Sessions of users: a random id in a cookie, whose hash is in the database, so that a sign-out
//! reaches all nodes.

use super::random;
use crate::model::Timestamp;
use crate::model::secret::{Secret, SecretHash};

/// A new session. Its id goes into the cookie, and is shown once.
#[derive(Debug)]
pub struct NewSession {
    /// The id for the cookie: 43 letters and digits.
    pub id: Secret,
    /// The session counts before this instant.
    pub expires_at: Timestamp,
}

/// The session of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrentSession {
    /// The hash of its id.
    pub hash: SecretHash,
    /// The session counts before this instant, however often it is used.
    pub expires_at: Timestamp,
}

/// The hash of an id from a cookie; none for a text that is no id.
pub fn hash_of(id: &str) -> Option<SecretHash> {
    (id.len() == random::SECRET_LENGTH).then(|| SecretHash::of(id))
}
