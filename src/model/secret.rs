//! Secrets, never shown in logs, errors or `Debug`.

use sha2::{Digest as _, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A secret text: a password, a password hash, an API token, the id of a session, a value for a
/// target. A drop erases the memory.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text as a secret.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, which must not reach a log or an error.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// SHA-256 of a secret of 256 random bits, stored by the database instead of the secret. (A
/// password has fewer bits, and a slow hash.)
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// The hash of a secret.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// The stored bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether the stored hash is the same. The time does not depend on the first different byte.
    pub fn is(&self, stored: &[u8]) -> bool {
        self.0.ct_eq(stored).into()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_a_secret_nor_its_hash() {
        let secret = Secret::new("open sesame".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        let hash = SecretHash::of(secret.expose());
        assert_eq!(format!("{hash:?}"), "SecretHash(…)");
    }

    #[test]
    fn a_hash_is_equal_to_its_own_bytes_only() {
        let hash = SecretHash::of("a");
        assert!(hash.is(SecretHash::of("a").bytes()));
        assert!(!hash.is(SecretHash::of("b").bytes()));
        assert!(!hash.is(&hash.bytes()[..31]) && !hash.is(&[]));
    }
}
