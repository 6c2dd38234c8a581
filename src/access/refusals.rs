//! Refused credentials in the audit log.
//!
//! A program with an expired token asks again every few seconds, for weeks. The first refusal of a
//! credential from an address has an entry, and then one in ten minutes with the number of the
//! others. The store bounds the entries of all credentials together.

use crate::model::access::{Caller, client_of};
use crate::model::rfc3339;
use crate::store::Store;
use crate::store::access::tokens::TokenRecord;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Action of a refused credential in the audit log.
const AUTHENTICATE: &str = "authenticate";
/// Time between two entries about one credential from one address.
const EVERY: Duration = Duration::from_mins(10);
/// Most credentials that are counted apart.
const CREDENTIALS_MAX: usize = 1_000;

/// A credential that was refused, without its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusedCredential {
    /// A text of the form of an API token.
    Token(Uuid),
    /// Another text in the place of an API token.
    NoToken,
    /// A name from a trusted proxy.
    ProxyUser,
    /// Any of those beyond [`CREDENTIALS_MAX`].
    Other,
}

/// Counts refused credentials.
#[derive(Default)]
pub struct RefusedCredentials(Mutex<HashMap<Key, Window>>);

type Key = (RefusedCredential, Option<IpAddr>);

struct Window {
    ends: Instant,
    /// Refusals since the last entry.
    counted: u64,
}

impl RefusedCredentials {
    /// The number of refusals since the last entry, when there is to be another one.
    fn admit(
        &self,
        credential: RefusedCredential,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Option<u64> {
        let mut windows = self.0.lock();
        let mut key = (credential, address.map(client_of));
        if windows.len() >= CREDENTIALS_MAX && !windows.contains_key(&key) {
            windows.retain(|_, window| window.ends > now);
            if windows.len() >= CREDENTIALS_MAX {
                // All further credentials share a window: memory stays bounded.
                key = (RefusedCredential::Other, None);
            }
        }
        match windows.get_mut(&key) {
            Some(window) if window.ends > now => {
                window.counted += 1;
                None
            }
            Some(window) => {
                window.ends = now + EVERY;
                Some(std::mem::take(&mut window.counted))
            }
            None => {
                let ends = now + EVERY;
                windows.insert(key, Window { ends, counted: 0 });
                Some(0)
            }
        }
    }
}

impl RefusedCredentials {
    /// Writes a refused credential into the audit log, or only counts it.
    pub async fn note(
        &self,
        store: &Store,
        credential: RefusedCredential,
        address: Option<IpAddr>,
    ) {
        let Some(others) = self.admit(credential, address, Instant::now()) else {
            return;
        };
        let what = match credential {
            RefusedCredential::Token(id) => refused_token(store, id).await,
            RefusedCredential::NoToken => "the credential is no API token".to_owned(),
            RefusedCredential::ProxyUser => {
                "the user of the proxy is unknown or disabled".to_owned()
            }
            RefusedCredential::Other => "one of many credentials".to_owned(),
        };
        let reason = match others {
            0 => what,
            others => format!("{what}; {others} more since the last entry"),
        };
        note(store, &Arc::new(unknown(address)), AUTHENTICATE, &reason).await;
    }
}

/// What is wrong with an API token, in words.
async fn refused_token(store: &Store, id: Uuid) -> String {
    match store.token(id).await {
        Ok(None) => "unknown API token".to_owned(),
        Ok(Some(TokenRecord {
            name,
            revoked_at: Some(at),
            ..
        })) => format!("API token {name}, revoked at {}", rfc3339(at)),
        Ok(Some(token)) => format!("API token {}, expired or with a wrong secret", token.name),
        Err(_) => format!("API token {id}"),
    }
}

/// A caller who is not known yet.
pub fn unknown(address: Option<IpAddr>) -> Caller {
    Caller {
        name: "unknown".to_owned(),
        ..Caller::anonymous(address)
    }
}

/// Writes a refusal into the audit log. The refusal stands without it.
pub async fn note(store: &Store, caller: &Arc<Caller>, action: &str, reason: &str) {
    let written = store.record_refusal(caller, action, reason).await;
    if let Err(error) = written {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, action, "a refusal is not in the audit log");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_has_one_entry_in_ten_minutes_with_the_number_of_the_others() {
        let (refused, start) = (RefusedCredentials::default(), Instant::now());
        let token = RefusedCredential::Token(Uuid::nil());
        let here = Some(IpAddr::from([192, 0, 2, 1]));
        let there = Some(IpAddr::from([192, 0, 2, 2]));
        assert_eq!(refused.admit(token, here, start), Some(0));
        for _ in 0..500 {
            assert_eq!(refused.admit(token, here, start), None);
        }
        assert_eq!(
            refused.admit(token, there, start),
            Some(0),
            "another address"
        );
        assert_eq!(refused.admit(token, here, start + EVERY), Some(500));
        assert_eq!(refused.admit(token, here, start + 2 * EVERY), Some(0));
    }

    #[test]
    fn credentials_that_are_made_up_are_counted_together() {
        let (refused, start) = (RefusedCredentials::default(), Instant::now());
        let admitted = |number: u128, now: Instant| {
            let token = RefusedCredential::Token(Uuid::from_u128(number));
            refused.admit(token, None, now).is_some()
        };
        let entries = (0..10_000).filter(|number| admitted(*number, start));
        assert_eq!(entries.count(), CREDENTIALS_MAX + 1);
        assert_eq!(refused.0.lock().len(), CREDENTIALS_MAX + 1);
        assert!(admitted(10_000, start + EVERY), "there is room again");
    }
}
