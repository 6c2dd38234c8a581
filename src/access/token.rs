//! The text of an API token: `hrl_` + id (22) + `_` + secret (43) + checksum (6), in base 62.
//!
//! The prefix and the checksum let a scanner of secrets find a token in a public repository, and
//! let a node refuse a text that is no token without a question to the database.

use super::random;
use crate::model::secret::{Secret, SecretHash};
use uuid::Uuid;

const PREFIX: &str = "hrl_";
const ID_LENGTH: usize = 22;
const CHECKSUM_LENGTH: usize = 6;
/// Length before the checksum.
const SIGNED_LENGTH: usize = PREFIX.len() + ID_LENGTH + 1 + random::SECRET_LENGTH;

/// A new API token. Its text is shown once.
#[derive(Debug)]
pub struct NewToken {
    /// The text for the `Authorization` header.
    pub text: Secret,
    /// The hash of its secret part, which is stored.
    pub hash: SecretHash,
}

/// The parts of a well-formed API token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenParts {
    /// Id of the token.
    pub id: Uuid,
    /// The hash of its secret part.
    pub hash: SecretHash,
}

impl NewToken {
    /// A token with a new secret.
    pub fn generate(id: Uuid) -> Self {
        let secret = random::secret();
        let id = random::encode(id.as_u128(), ID_LENGTH);
        let signed = format!("{PREFIX}{id}_{}", secret.expose());
        let text = format!("{signed}{}", checksum(&signed));
        Self {
            text: Secret::new(text),
            hash: SecretHash::of(secret.expose()),
        }
    }
}

impl TokenParts {
    /// Reads the text of a token; none for another text.
    pub fn of(text: &str) -> Option<Self> {
        // The text comes from outside: the position may be inside of a character.
        let (signed, sum) = text.split_at_checked(SIGNED_LENGTH)?;
        if sum != checksum(signed) {
            return None;
        }
        let (id, secret) = signed.strip_prefix(PREFIX)?.split_at_checked(ID_LENGTH)?;
        Some(Self {
            id: Uuid::from_u128(random::decode(id)?),
            hash: SecretHash::of(secret.strip_prefix('_')?),
        })
    }
}

fn checksum(signed: &str) -> String {
    random::encode(crc32fast::hash(signed.as_bytes()).into(), CHECKSUM_LENGTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_from_its_text() {
        for id in [Uuid::nil(), Uuid::max(), Uuid::now_v7()] {
            let token = NewToken::generate(id);
            let text = token.text.expose();
            assert_eq!(text.len(), 76, "{text}");
            let parts = TokenParts::of(text).expect("well-formed");
            assert_eq!((parts.id, parts.hash), (id, token.hash));
        }
    }

    #[test]
    fn a_token_with_one_other_character_is_refused() {
        let token = NewToken::generate(Uuid::now_v7());
        let text = token.text.expose();
        for at in 0..text.len() {
            let other = if text.as_bytes()[at] == b'x' {
                "y"
            } else {
                "x"
            };
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert_eq!(TokenParts::of(&changed), None, "character {at}");
        }
    }

    #[test]
    fn another_text_is_refused() {
        let token = NewToken::generate(Uuid::now_v7());
        let text = token.text.expose();
        for other in [
            "",
            "hrl_",
            "nothing",
            &text[1..],
            &text[..75],
            &format!("{text}0"),
            &format!(" {text}"),
            &"ä".repeat(38),
            &"0".repeat(100_000),
        ] {
            assert_eq!(TokenParts::of(other), None, "{other:.20}");
        }
    }

    #[test]
    fn debug_does_not_show_the_text() {
        let token = NewToken::generate(Uuid::now_v7());
        let shown = format!("{token:?}");
        assert!(!shown.contains("hrl_"), "{shown}");
    }
}
