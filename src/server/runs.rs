//! What the attempts of a node are run with: the handlers, and the secrets that they send.

use super::StartError;
use crate::config::ServeConfig;
use crate::handlers::{Egress, Handlers};
use crate::secrets::Keys;
use crate::store::db::database::Database;
use crate::store::secrets::SecretReader;
use crate::store::{Store, StoreError};

/// The means of the attempts of a node.
pub(super) struct Runs {
    /// Handlers of the targets.
    pub handlers: Handlers,
    /// Keys of the secrets; none without a key file.
    pub keys: Keys,
    /// Reads secrets for the attempts.
    pub secrets: SecretReader,
}

impl Runs {
    /// Handlers with the rules for addresses, and the keys of the settings.
    pub(super) fn new(
        config: &ServeConfig,
        egress: Egress,
        store: &Store,
        database: &Database,
    ) -> Result<Self, StartError> {
        let file = config.secrets_key_file.as_deref();
        let keys = file.map_or_else(|| Ok(Keys::default()), Keys::read)?;
        Ok(Self {
            handlers: Handlers::new(egress)?,
            secrets: SecretReader::new(store.for_secrets(database), keys.clone()),
            keys,
        })
    }

    /// Says which secrets the node cannot read: attempts of jobs that refer to them fail here.
    pub(super) async fn warn_of_missing_keys(&self, store: &Store) -> Result<(), StoreError> {
        let totals = store.secret_totals().await?;
        for key in totals.key_ids.iter().filter(|key| !self.keys.knows(key)) {
            tracing::warn!(
                key,
                "this node cannot read secrets that are encrypted with this key \
                 (--secrets-key-file): jobs that refer to them fail here"
            );
        }
        Ok(())
    }
}
