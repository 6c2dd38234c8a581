//! What the authenticator learnt in the last two seconds.

use super::session::CurrentSession;
use crate::model::access::{Caller, CallerKind, NamespaceRoles, Role};
use crate::model::secret::SecretHash;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long an answer counts: less than half of the five seconds in which a revocation reaches
/// every node.
const COUNTS_FOR: Duration = Duration::from_secs(2);
/// Most remembered credentials; only valid credentials are remembered.
const CREDENTIALS_MAX: usize = 10_000;

/// A credential, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// An API token, with the hash of its secret.
    Token(Uuid, SecretHash),
    /// A session, by the hash of its id.
    Session(SecretHash),
    /// A name from a trusted proxy.
    ProxyUser(String),
}

/// The party behind a valid credential.
#[derive(Debug, Clone)]
pub struct Principal {
    /// Kind of the caller: `User` or `Token`.
    pub kind: CallerKind,
    /// The user or the token.
    pub id: Uuid,
    /// Name of the user or the token.
    pub name: String,
    /// Role of the user or the token in the whole cluster.
    pub role: Option<Role>,
    /// Roles of the user or the token in namespaces.
    pub namespace_roles: NamespaceRoles,
    /// The session, if the credential is one.
    pub session: Option<CurrentSession>,
}

/// Answers of the store, each for [`COUNTS_FOR`].
#[derive(Default)]
pub struct Cache {
    is_open: Mutex<Option<(bool, Instant)>>,
    principals: Mutex<HashMap<Key, (Principal, Instant)>>,
}

impl Principal {
    /// The caller of a request from this address.
    pub fn caller(&self, address: Option<IpAddr>) -> Caller {
        Caller {
            kind: self.kind,
            id: Some(self.id),
            name: self.name.clone(),
            role: self.role,
            namespace_roles: self.namespace_roles.clone(),
            address,
        }
    }
}

impl Cache {
    /// Whether the cluster is open, if that is known.
    pub fn is_open(&self, now: Instant) -> Option<bool> {
        let is_open = self.is_open.lock();
        is_open.and_then(|(is_open, until)| (until > now).then_some(is_open))
    }

    /// Remembers whether the cluster is open. `asked` is the time of the question: an answer that
    /// took long counts for a shorter time.
    pub fn set_open(&self, is_open: bool, asked: Instant) {
        *self.is_open.lock() = Some((is_open, asked + COUNTS_FOR));
    }

    /// The party behind a credential, if it is known.
    pub fn get(&self, key: &Key, now: Instant) -> Option<Principal> {
        let principals = self.principals.lock();
        let (principal, until) = principals.get(key)?;
        (*until > now).then(|| principal.clone())
    }

    /// Remembers the party behind a credential, asked for at `asked`.
    pub fn insert(&self, key: Key, principal: Principal, asked: Instant) {
        let mut principals = self.principals.lock();
        if principals.len() >= CREDENTIALS_MAX {
            // Only a full map is cleaned: a pass at each request would cost more than a request.
            principals.retain(|_, (_, until)| *until > asked);
        }
        if principals.len() < CREDENTIALS_MAX {
            principals.insert(key, (principal, asked + COUNTS_FOR));
        }
    }

    /// Forgets a credential that was ended on this node.
    pub fn remove(&self, key: &Key) {
        self.principals.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal() -> Principal {
        Principal {
            kind: CallerKind::User,
            id: Uuid::nil(),
            name: "ada".to_owned(),
            role: Some(Role::Viewer),
            namespace_roles: NamespaceRoles::default(),
            session: None,
        }
    }

    #[test]
    fn an_answer_counts_for_two_seconds_from_the_question_on() {
        let (cache, asked) = (Cache::default(), Instant::now());
        let key = Key::ProxyUser("ada".to_owned());
        cache.insert(key.clone(), principal(), asked);
        cache.set_open(true, asked);
        let (before, after) = (Duration::from_millis(1_999), Duration::from_secs(2));
        assert!(cache.get(&key, asked + before).is_some());
        assert!(cache.get(&key, asked + after).is_none());
        assert_eq!(cache.is_open(asked + before), Some(true));
        assert_eq!(cache.is_open(asked + after), None);
    }

    #[test]
    fn memory_is_bounded() {
        let (cache, start) = (Cache::default(), Instant::now());
        for number in 0..3 * CREDENTIALS_MAX {
            let key = Key::ProxyUser(number.to_string());
            cache.insert(key, principal(), start);
        }
        let later = start + COUNTS_FOR;
        let key = Key::ProxyUser("later".to_owned());
        cache.insert(key.clone(), principal(), later);
        assert!(cache.get(&key, later).is_some(), "room is made");
        assert_eq!(cache.principals.lock().len(), 1);
    }
}
