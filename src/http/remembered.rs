//! Callers in the memory of a node while the database does not answer, for the metrics only.
//!
//! Metrics are needed most in an outage of the database. A scraper with a credential that was valid
//! within the hour therefore still gets metrics. No other route uses this memory.

use crate::access::Credential;
use crate::model::secret::SecretHash;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Time for which a credential is remembered after its last judgement.
const REMEMBERED_FOR: Duration = Duration::from_hours(1);
/// Most credentials that are remembered: a cluster has a few scrapers.
const CREDENTIALS_MAX: usize = 64;

/// The credentials with which clients read the metrics of this node. Clones share them.
#[derive(Clone, Default)]
pub struct Remembered(Arc<Mutex<HashMap<SecretHash, Instant>>>);

impl Remembered {
    /// Notes that a credential is valid now.
    pub fn note(&self, credential: &Credential, now: Instant) {
        let mut known = self.0.lock();
        known.retain(|_, last| now.duration_since(*last) < REMEMBERED_FOR);
        // A full list takes no more: a client with many tokens must not displace the scrapers.
        if known.len() < CREDENTIALS_MAX {
            known.insert(key(credential), now);
        }
    }

    /// Forgets a credential that is not valid any more.
    pub fn forget(&self, credential: &Credential) {
        self.0.lock().remove(&key(credential));
    }

    /// Whether a credential was valid within the hour.
    pub fn has(&self, credential: &Credential, now: Instant) -> bool {
        self.0
            .lock()
            .get(&key(credential))
            .is_some_and(|last| now.duration_since(*last) < REMEMBERED_FOR)
    }
}

fn key(credential: &Credential) -> SecretHash {
    SecretHash::of(&match credential {
        Credential::None => "none".to_owned(),
        Credential::Token(token) => format!("token {token}"),
        Credential::Session(session) => format!("session {session}"),
        Credential::ProxyUser(name) => format!("user {name}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_remembered_for_an_hour_unless_it_is_refused() {
        let (remembered, now) = (Remembered::default(), Instant::now());
        let token = Credential::Token("hrl_a".to_owned());
        assert!(!remembered.has(&token, now));
        remembered.note(&token, now);
        assert!(remembered.has(&token, now));
        assert!(!remembered.has(&Credential::Session("hrl_a".to_owned()), now));
        assert!(!remembered.has(&Credential::None, now));
        assert!(!remembered.has(&token, now + REMEMBERED_FOR));
        remembered.forget(&token);
        assert!(!remembered.has(&token, now));
    }

    #[test]
    fn the_memory_is_bounded() {
        let (remembered, now) = (Remembered::default(), Instant::now());
        for number in 0..1_000 {
            remembered.note(&Credential::ProxyUser(number.to_string()), now);
        }
        assert_eq!(remembered.0.lock().len(), CREDENTIALS_MAX);
    }
}
