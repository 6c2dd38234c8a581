//! A sign-in on the way: started by a browser at the provider, and not finished.
//!
//! A sign-in is a random text in a cookie of the browser. The `state`, the `nonce` and the verifier
//! of PKCE are hashes of the text, so that a node keeps nothing: any node can finish the sign-in of
//! another node, and sign-ins that a stranger begins fill no table. The text needs no seal: with
//! another text the state does not fit, and the owner of the cookie has the browser.

use super::super::random;
use crate::model::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta};
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

/// Longest time between the begin and the end, in minutes: long enough for a second factor.
pub const MINUTES_MAX: i64 = 10;

/// A sign-in that a browser has started.
pub struct Attempt {
    /// `SECONDS.SECRET`: the instant of the begin, and 256 random bits.
    text: String,
    started: Timestamp,
}

impl Attempt {
    /// Begins a sign-in.
    pub fn begin(now: Timestamp) -> Self {
        Self {
            text: format!("{}.{}", now.timestamp(), random::secret().expose()),
            started: now,
        }
    }

    /// Reads the cookie; none for another text.
    pub fn of_cookie(text: &str) -> Option<Self> {
        let (seconds, secret) = text.split_once('.')?;
        let is_secret = secret.len() == random::SECRET_LENGTH
            && secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let seconds = seconds.parse().ok().filter(|_| is_secret)?;
        Some(Self {
            text: text.to_owned(),
            started: DateTime::from_timestamp(seconds, 0)?,
        })
    }

    /// The text for the cookie. It must not reach a log or an address.
    pub fn cookie(&self) -> &str {
        &self.text
    }

    /// Whether the provider sends back the state of this sign-in.
    pub fn is_of(&self, state: &str) -> bool {
        // In constant time: the duration must not tell how many bytes are right.
        self.state().as_bytes().ct_eq(state.as_bytes()).into()
    }

    /// Whether it has taken too long. A begin in the future is none of ours.
    pub fn is_over(&self, now: Timestamp) -> bool {
        let age = now - self.started;
        age > TimeDelta::minutes(MINUTES_MAX) || age < -TimeDelta::minutes(1)
    }

    /// Goes to the provider and comes back with the browser.
    pub fn state(&self) -> String {
        self.derived("state")
    }

    /// Goes to the provider and comes back in the ID token.
    pub fn nonce(&self) -> String {
        self.derived("nonce")
    }

    /// Goes to the provider with the code; before, its hash does.
    pub fn verifier(&self) -> String {
        self.derived("verifier")
    }

    /// 43 characters, from which neither the text nor another of these values follows.
    fn derived(&self, purpose: &str) -> String {
        let hash = Sha256::digest(format!("horolog openid {purpose} {}", self.text));
        URL_SAFE_NO_PAD.encode(hash)
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attempt(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        DateTime::from_timestamp(seconds, 0).expect("an instant")
    }

    #[test]
    fn a_sign_in_comes_back_from_its_cookie_and_fits_its_own_state_only() {
        let (one, other) = (Attempt::begin(at(1_000)), Attempt::begin(at(1_000)));
        let read = Attempt::of_cookie(one.cookie()).expect("its cookie");
        assert!(read.is_of(&one.state()) && !read.is_of(&other.state()));
        assert!(!read.is_of("") && !read.is_of(&one.nonce()));
        assert_eq!(
            (read.nonce(), read.verifier()),
            (one.nonce(), one.verifier())
        );
        let values = [one.state(), one.nonce(), one.verifier()];
        assert!(values.iter().all(|value| value.len() == 43));
        assert!(values[0] != values[1] && values[1] != values[2]);
        assert_eq!(format!("{one:?}"), "Attempt(…)");
    }

    #[test]
    fn another_text_is_no_cookie() {
        let attempt = Attempt::begin(at(1_000));
        let text = attempt.cookie();
        let (_, secret) = text.split_once('.').expect("two parts");
        for other in [
            "",
            ".",
            secret,
            &format!("x.{secret}"),
            &format!("99999999999999999999.{secret}"),
            &format!("9223372036854775807.{secret}"),
            &text[..text.len() - 1],
            &format!("{text}0"),
            &format!("1000.{}", "ä".repeat(21)),
        ] {
            assert!(Attempt::of_cookie(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_sign_in_ends_after_ten_minutes_whatever_its_cookie_says() {
        let attempt = Attempt::begin(at(1_000));
        assert!(!attempt.is_over(at(1_000)) && !attempt.is_over(at(1_600)));
        assert!(attempt.is_over(at(1_601)) && attempt.is_over(at(900)));
        // A later instant in the cookie is another text, with another state.
        let (_, secret) = attempt.cookie().split_once('.').expect("two parts");
        let moved = Attempt::of_cookie(&format!("2000.{secret}")).expect("well-formed");
        assert!(!moved.is_of(&attempt.state()));
    }
}
