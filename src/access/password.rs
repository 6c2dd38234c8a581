//! Passwords: argon2id, on threads apart from those of firing.

use super::random;
use crate::model::secret::Secret;
use crate::model::{InvalidInput, text};
use crate::threads::Computations;
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

/// Fewest characters of a new password.
const CHARS_MIN: usize = 12;

/// A hash takes a core for some milliseconds and 19 MB: a flood of sign-ins must not take all.
static HASHING: Computations = Computations::at_once(2);

/// A hash of no known password, with the parameters of all others. A sign-in of an unknown user, or
/// of one without a password, is compared with it: the time is the same.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$\
    iV7ehsmG/lk2Nx4ExTPl+w$7COr107zI661GnW4oN6qyxdVM8sVyTBA34PNvIibkxQ";

/// A password. `Debug` does not show it.
#[derive(Debug, Clone)]
pub struct Password(Secret);

impl Password {
    /// The password of a sign-in: any text.
    pub fn given(text: String) -> Self {
        Self(Secret::new(text))
    }

    /// A new password, within the bounds. `field` is its place in the input.
    pub fn chosen(field: &'static str, text: String) -> Result<Self, InvalidInput> {
        text::PASSWORD.check(field, &text)?;
        if text.chars().count() < CHARS_MIN {
            let message = format!("must be at least {CHARS_MIN} characters long");
            return Err(InvalidInput::new(field, message));
        }
        Ok(Self::given(text))
    }

    /// A random password, to be shown once.
    pub fn generate() -> Self {
        Self(random::secret())
    }

    /// The text. It must not reach a log or an error.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The PHC string that is stored, with a new salt.
    pub async fn hash(self) -> Secret {
        HASHING
            .run(move || {
                // The default parameters are the parameters of `DECOY`: equal comparisons take
                // equal time.
                let hash = Argon2::default().hash_password(self.expose().as_bytes());
                let hash = hash.expect("the parameters are valid, and the system has random bytes");
                Secret::new(hash.to_string())
            })
            .await
    }

    /// Whether this is the password of the stored hash. Without a hash it never is, after the same
    /// time.
    pub async fn matches(self, stored: Option<Secret>) -> bool {
        HASHING
            .run(move || compare(self.expose(), stored.as_ref(), is_hashed_as))
            .await
    }
}

/// Compares once in each case, and then looks whether there was a hash.
fn compare(
    password: &str,
    stored: Option<&Secret>,
    is_hashed_as: impl FnOnce(&str, &str) -> bool,
) -> bool {
    let is_right = is_hashed_as(password, stored.map_or(DECOY, Secret::expose));
    is_right && stored.is_some()
}

/// A hash that cannot be read matches no password.
fn is_hashed_as(password: &str, stored: &str) -> bool {
    PasswordHash::new(stored).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_hash_only() {
        let password = || Password::given("correct horse battery".to_owned());
        let hash = password().hash().await;
        assert!(hash.expose().starts_with("$argon2id$"));
        assert!(password().matches(Some(hash.clone())).await);
        let other = Password::given("correct horse batterx".to_owned());
        assert!(!other.matches(Some(hash.clone())).await);
        assert!(!password().matches(None).await);
        let broken = Secret::new("$argon2id$broken".to_owned());
        assert!(!password().matches(Some(broken)).await);
        let again = password().hash().await;
        assert_ne!(hash.expose(), again.expose(), "each hash has its own salt");
    }

    #[test]
    fn a_password_is_compared_once_whether_or_not_there_is_a_hash() {
        let hash = Secret::new("hash".to_owned());
        for (stored, expected) in [(Some(&hash), "hash"), (None, DECOY)] {
            let mut compared = Vec::new();
            let is_right = compare("secret", stored, |password, hash| {
                compared.push((password.to_owned(), hash.to_owned()));
                true
            });
            assert_eq!(compared, [("secret".to_owned(), expected.to_owned())]);
            assert_eq!(is_right, stored.is_some());
        }
    }

    #[test]
    fn the_decoy_takes_as_long_as_a_hash_of_today() {
        let decoy = PasswordHash::new(DECOY).expect("readable");
        let hash = Argon2::default().hash_password(b"any").expect("hashed");
        assert_eq!(
            (decoy.algorithm, decoy.version, &decoy.params),
            (hash.algorithm, hash.version, &hash.params)
        );
        let length = |hash: &PasswordHash| hash.hash.map(|output| output.as_ref().len());
        assert_eq!(length(&decoy), length(&hash));
    }

    #[test]
    fn a_new_password_has_from_12_to_256_characters() {
        let refused = |text: &str| Password::chosen("password", text.to_owned()).err();
        for text in [&"a".repeat(12), &"ä".repeat(12), &"ä".repeat(256)] {
            assert_eq!(refused(text), None);
        }
        for (text, bound) in [
            ("", "at least 12"),
            ("short", "at least 12"),
            (&*"a".repeat(11), "at least 12"),
            (&*"a".repeat(257), "at most 256"),
            (&*"a".repeat(1 << 20), "at most 256"),
            ("correct horse\0battery", "U+0000"),
        ] {
            let message = refused(text).expect("refused").to_string();
            assert!(
                message.starts_with("password: must") && message.contains(bound),
                "{message}"
            );
        }
    }

    #[test]
    fn debug_does_not_show_a_password() {
        let password = Password::given("open sesame".to_owned());
        assert_eq!(format!("{password:?}"), "Password(Secret(…))");
    }
}
