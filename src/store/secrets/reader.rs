//! The reading for attempts: the newest values of the secrets referred to.
//!
//! A value is decrypted once and used for two seconds without a statement; then the row is read
//! again. A change of a secret therefore reaches all nodes within two seconds. A single connection,
//! apart from the connections of firing, reads the rows: jobs with secrets wait for each other, and
//! no other job waits for jobs with secrets.

use super::rows::SealedSecret;
use crate::model::execution::Attempt;
use crate::model::secret_reference::references;
use crate::model::target::Target;
use crate::secrets::{AttemptSecrets, CannotOpen, Keys, KnownSecret};
use crate::store::{Store, StoreError};
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a value is used without another reading of the row.
const FRESH_FOR: Duration = Duration::from_secs(2);
/// Longest wait of an attempt for the secrets.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Most values in memory. The value unread for longest is dropped first.
const CACHED_MAX: usize = 256;

/// Why an attempt cannot have the secrets. The text is the error of the attempt.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The target or the payload has an invalid reference, or a reference against the rules of the
    /// secret.
    #[error("{0}")]
    Refused(String),
    /// No secret has the name.
    #[error("there is no secret `{0}`")]
    Unknown(String),
    /// The value cannot be decrypted.
    #[error("the secret `{name}` cannot be read: {cause}")]
    Sealed {
        /// Name of the secret.
        name: String,
        /// The part that is missing.
        cause: CannotOpen,
    },
    /// The database failed. The cause goes to the log only, because the cause names statements and
    /// servers.
    #[error("the secrets of the job could not be read from the database")]
    Store(#[from] StoreError),
    /// The database is slow.
    #[error("the secrets of the job could not be read within 5 s")]
    Slow,
}

/// Reads secrets for attempts; clones share the values.
#[derive(Clone)]
pub struct SecretReader {
    store: Store,
    keys: Keys,
    cache: Arc<Mutex<HashMap<Key, Cached>>>,
    /// Held by the one that reads rows.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// Namespace and name of a secret.
type Key = (String, String);

struct Cached {
    secret: Arc<KnownSecret>,
    /// Identifies the encryption: a secret may be deleted, and created again as version 1.
    nonce: Vec<u8>,
    checked_at: Instant,
}

impl SecretReader {
    /// A reader with the keys of the node.
    pub fn new(store: Store, keys: Keys) -> Self {
        Self {
            store,
            keys,
            cache: Arc::default(),
            turn: Arc::default(),
        }
    }

    /// The secrets of an attempt, if the target may have the secrets. An attempt without references
    /// waits for nothing.
    pub async fn of(&self, attempt: &Attempt) -> Result<AttemptSecrets, SecretError> {
        let Target::Http(http) = &attempt.target else {
            return Ok(AttemptSecrets::default());
        };
        let sent = attempt.payload.as_ref();
        let sent = sent.filter(|_| attempt.target.sends_payload());
        let found = references(&attempt.target, sent)
            .map_err(|invalid| SecretError::Refused(invalid.to_string()))?;
        let names: BTreeSet<&str> = found.iter().map(|reference| reference.name).collect();
        if names.is_empty() {
            return Ok(AttemptSecrets::default());
        }
        let namespace = attempt.namespace.as_str();
        let known = match self.fresh(namespace, &names) {
            Some(known) => known,
            None => tokio::time::timeout(READ_TIMEOUT, self.read(namespace, &names))
                .await
                .map_err(|_| SecretError::Slow)??,
        };
        AttemptSecrets::for_address(&http.url, known).map_err(SecretError::Refused)
    }

    /// The values, if all of them were read a short time ago.
    fn fresh(&self, namespace: &str, names: &BTreeSet<&str>) -> Option<Vec<Arc<KnownSecret>>> {
        let cache = self.cache.lock();
        let fresh = names.iter().map(|name| {
            let cached = cache.get(&(namespace.to_owned(), (*name).to_owned()))?;
            (cached.checked_at.elapsed() < FRESH_FOR).then(|| Arc::clone(&cached.secret))
        });
        fresh.collect()
    }

    async fn read(
        &self,
        namespace: &str,
        names: &BTreeSet<&str>,
    ) -> Result<Vec<Arc<KnownSecret>>, SecretError> {
        let _turn = self.turn.lock().await;
        // The attempt before may have read them.
        if let Some(known) = self.fresh(namespace, names) {
            return Ok(known);
        }
        let wanted: Vec<&str> = names.iter().copied().collect();
        // Before the statement: the row may change while the answer is on the way.
        let asked_at = Instant::now();
        let rows = self.store.sealed_secrets(namespace, &wanted);
        let rows = rows.await.inspect_err(|error| {
            let error = error as &dyn std::error::Error;
            tracing::warn!(error, "the secrets of a job could not be read");
        })?;
        let mut known = Vec::with_capacity(wanted.len());
        for name in names {
            let row = rows.iter().find(|row| row.name == *name);
            let row = row.ok_or_else(|| SecretError::Unknown((*name).to_owned()))?;
            known.push(self.open(row, asked_at)?);
        }
        Ok(known)
    }

    /// Decrypts a value, unless the value in memory is the same.
    fn open(&self, row: &SealedSecret, asked_at: Instant) -> Result<Arc<KnownSecret>, SecretError> {
        let key = (row.namespace.clone(), row.name.clone());
        let mut cache = self.cache.lock();
        if let Some(cached) = cache.get_mut(&key)
            && cached.nonce == row.sealed.nonce
        {
            cached.checked_at = asked_at;
            return Ok(Arc::clone(&cached.secret));
        }
        let opened = self.keys.open(row.binding(), &row.sealed);
        let value = opened.map_err(|cause| SecretError::Sealed {
            name: row.name.clone(),
            cause,
        })?;
        let secret = Arc::new(KnownSecret {
            name: row.name.clone(),
            hosts: row.hosts.clone(),
            value,
        });
        let cached = Cached {
            secret: Arc::clone(&secret),
            nonce: row.sealed.nonce.clone(),
            checked_at: asked_at,
        };
        if cache.len() >= CACHED_MAX && !cache.contains_key(&key) {
            let oldest = cache.iter().min_by_key(|(_, cached)| cached.checked_at);
            let oldest = oldest.map(|(key, _)| key.clone());
            oldest.and_then(|key| cache.remove(&key));
        }
        cache.insert(key, cached);
        Ok(secret)
    }
}
