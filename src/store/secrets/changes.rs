//! Changes of secrets. Only this file and `rows.rs` use the table `secret`.

use super::rows::{SealedSecret, SecretTotals, sealed, texts};
use crate::model::secret::Secret;
use crate::model::secret_host::SecretHost;
use crate::secrets::{Binding, CannotOpen, Keys, Sealed};
use crate::store::access::Change;
use crate::store::access::namespaces::lock_namespace;
use crate::store::audit::entry::Entry;
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::{Store, StoreError};
use serde_json::json;
use tokio_postgres::Row;

/// Most secrets of the cluster: the list has no pages.
pub const SECRETS_MAX: i64 = 1_000;

const INSERT: Statement = Statement::new(
    "-- secrets.insert
insert into secret (namespace, name, description, hosts, is_signing, version, key_id, nonce,
    ciphertext, created_at, created_by, updated_at, updated_by)
select $2, $3, $4, $5, $6, 1, $7, $8, $9, clock.now, $10, clock.now, $10
from (select coalesce($1::timestamptz, clock_timestamp()) as now) as clock
where (select count(*) from secret) < $11
on conflict do nothing",
);

const LOCK: Statement = Statement::new(
    "-- secrets.lock
select namespace, name, description, is_signing, version, hosts, key_id, nonce, ciphertext
from secret where namespace = $1 and name = $2 for no key update",
);

const LOCK_ALL: Statement = Statement::new(
    "-- secrets.lock_all
select namespace, name, description, is_signing, version, hosts, key_id, nonce, ciphertext
from secret order by namespace, name for no key update",
);

const UPDATE: Statement = Statement::new(
    "-- secrets.update
update secret set description = $4, hosts = $5, version = $6, key_id = $7, nonce = $8,
    ciphertext = $9, updated_at = coalesce($1::timestamptz, clock_timestamp()), updated_by = $10
where namespace = $2 and name = $3",
);

const DELETE: Statement = Statement::new(
    "-- secrets.delete
delete from secret where namespace = $1 and name = $2",
);

/// A secret to be stored.
#[derive(Debug)]
pub struct NewSecret {
    /// Namespace of the secret.
    pub namespace: String,
    /// The name in references.
    pub name: String,
    /// A text for display only.
    pub description: Option<String>,
    /// Hosts for the secret.
    pub hosts: Vec<SecretHost>,
    /// Whether the secret signs requests.
    pub is_signing: bool,
    /// The value.
    pub value: Secret,
}

/// A change of a secret. `None` keeps the stored value.
#[derive(Debug)]
pub struct SecretChange {
    /// Namespace of the secret.
    pub namespace: String,
    /// Name of the secret.
    pub name: String,
    /// The new value, and whether the value signs requests.
    pub value: Option<(Secret, bool)>,
    /// The new hosts, if changed.
    pub hosts: Option<Vec<SecretHost>>,
    /// New description; `Some(None)` removes it.
    pub description: Option<Option<String>>,
}

/// The result of a change of secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// The secret has been changed.
    Done,
    /// Another secret has the name.
    NameTaken,
    /// There are [`SECRETS_MAX`] secrets.
    TooMany,
    /// There is no such namespace, or it is out of reach.
    UnknownNamespace,
    /// There is no such secret.
    NotFound,
    /// The number of jobs with a reference to the secret.
    InUse(i64),
    /// A signing secret would become another kind of secret, or the other way round.
    OtherKind,
    /// The keys of the process do not suffice for the secret.
    Keys {
        /// Name of the secret.
        secret: String,
        /// The part that is missing.
        error: CannotOpen,
    },
}

/// The row of a secret, locked for a change.
struct Locked {
    secret: SealedSecret,
    description: Option<String>,
    is_signing: bool,
}

impl Store {
    /// Stores a new secret.
    pub async fn create_secret(
        &self,
        new: &NewSecret,
        keys: &Keys,
    ) -> Result<ChangeOutcome, StoreError> {
        let totals = self.secret_totals().await?;
        if let Some(error) = missing_key(&totals, keys) {
            return Ok(cannot(&new.name, error));
        }
        // The statement counts what is within reach; the bound is that of the cluster.
        if totals.secrets >= SECRETS_MAX {
            return Ok(ChangeOutcome::TooMany);
        }
        self.in_transaction("secrets.create", async |transaction| {
            if !lock_namespace(transaction, &new.namespace).await? {
                return Ok(Change::Undo(ChangeOutcome::UnknownNamespace));
            }
            let binding = Binding {
                namespace: &new.namespace,
                name: &new.name,
                // The version is part of the binding: an old ciphertext does not pass for the
                // present one.
                version: 1,
                hosts: &new.hosts,
            };
            let sealed = match keys.seal(binding, &new.value) {
                Ok(sealed) => sealed,
                Err(error) => return Ok(Change::Undo(cannot(&new.name, error.into()))),
            };
            let inserted = self.insert_secret(transaction, new, &sealed).await?;
            if inserted {
                let entry = entry(&new.namespace, &new.name);
                let after = content(new.description.as_deref(), &new.hosts, 1);
                transaction.record(entry.with("after", after));
                return Ok(Change::Commit(ChangeOutcome::Done));
            }
            let taken = LOCK
                .query_opt(transaction, &[&new.namespace, &new.name])
                .await?;
            Ok(Change::Commit(taken.map_or(ChangeOutcome::TooMany, |_| {
                ChangeOutcome::NameTaken
            })))
        })
        .await
    }

    async fn insert_secret(
        &self,
        transaction: &Transaction,
        new: &NewSecret,
        sealed: &Sealed,
    ) -> Result<bool, StoreError> {
        let inserted = INSERT
            .execute(
                transaction,
                &[
                    &self.clock().stub(),
                    &new.namespace,
                    &new.name,
                    &new.description,
                    &texts(&new.hosts),
                    &new.is_signing,
                    &sealed.key_id,
                    &sealed.nonce,
                    &sealed.ciphertext,
                    &transaction.author().caller.label(),
                    &SECRETS_MAX,
                ],
            )
            .await?;
        Ok(inserted == 1)
    }

    /// Changes a secret. New hosts need the key of the value, because the encryption binds the
    /// value to the hosts.
    pub async fn update_secret(
        &self,
        change: &SecretChange,
        keys: &Keys,
    ) -> Result<ChangeOutcome, StoreError> {
        let totals = self.secret_totals().await?;
        self.in_transaction("secrets.update", async |transaction| {
            let row = LOCK
                .query_opt(transaction, &[&change.namespace, &change.name])
                .await?;
            let Some(mut locked) = row.as_ref().map(Locked::of).transpose()? else {
                return Ok(Change::Undo(ChangeOutcome::NotFound));
            };
            let given = change.value.as_ref();
            // Jobs refer to a signing secret in another field: their references would become wrong.
            if given.is_some_and(|(_, is_signing)| *is_signing != locked.is_signing) {
                return Ok(Change::Undo(ChangeOutcome::OtherKind));
            }
            // Read before the change below overwrites the fields.
            let before = locked.content();
            if given.is_some() || change.hosts.is_some() {
                if let Some(error) = missing_key(&totals, keys) {
                    return Ok(Change::Undo(cannot(&change.name, error)));
                }
                let hosts = change.hosts.as_ref();
                let value = given.map(|(value, _)| value);
                if let Err(error) = locked.secret.seal_again(keys, value, hosts) {
                    return Ok(Change::Undo(cannot(&change.name, error)));
                }
            }
            // A description needs no key, so a process without a key file can change the text.
            if let Some(description) = &change.description {
                locked.description.clone_from(description);
            }
            self.write_secret(transaction, &locked).await?;
            let entry = entry(&change.namespace, &change.name);
            transaction.record(
                entry
                    .with_change(&before, &locked.content())
                    // The audit log says that a value was replaced, and never names the value.
                    .with("hasNewValue", given.is_some()),
            );
            Ok(Change::Commit(ChangeOutcome::Done))
        })
        .await
    }

    /// Deletes a secret without a reference from a job.
    pub async fn delete_secret(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<ChangeOutcome, StoreError> {
        let found = self.secrets_named(&[(namespace, name)]).await?;
        match found.first() {
            None => return Ok(ChangeOutcome::NotFound),
            Some(found) if found.jobs > 0 => return Ok(ChangeOutcome::InUse(found.jobs)),
            Some(_) => {}
        }
        let deleted = self.in_transaction("secrets.delete", async |transaction| {
            let row = LOCK.query_opt(transaction, &[&namespace, &name]).await?;
            let Some(locked) = row.as_ref().map(Locked::of).transpose()? else {
                return Ok(Change::Undo(ChangeOutcome::NotFound));
            };
            DELETE.execute(transaction, &[&namespace, &name]).await?;
            transaction.record(entry(namespace, name).with("before", locked.content()));
            Ok(Change::Commit(ChangeOutcome::Done))
        });
        match deleted.await {
            // A job has got a reference since the count.
            Err(error) if error.is_of_a_reference() => Ok(ChangeOutcome::InUse(1)),
            deleted => deleted,
        }
    }

    /// Encrypts all secrets under other keys with the first key: all or none. Returns the number,
    /// or the first undecryptable secret.
    pub async fn rotate_secrets(
        &self,
        keys: &Keys,
    ) -> Result<Result<usize, ChangeOutcome>, StoreError> {
        self.in_transaction("secrets.rotate", async |transaction| {
            // Without a key there is nothing to encrypt with.
            let current = match keys.current() {
                Ok(current) => current,
                Err(error) => return Ok(Change::Undo(Err(cannot("", error.into())))),
            };
            let mut others = Vec::new();
            for row in LOCK_ALL.query(transaction, &[]).await? {
                let locked = Locked::of(&row)?;
                if locked.secret.sealed.key_id != current {
                    others.push(locked);
                }
            }
            // Before the first write: all secrets are decryptable, or none changes.
            for locked in &mut others {
                if let Err(error) = locked.secret.seal_again(keys, None, None) {
                    return Ok(Change::Undo(Err(cannot(&locked.secret.name, error))));
                }
            }
            for locked in &others {
                self.write_secret(transaction, locked).await?;
            }
            transaction.record(Entry::about("secret").with("count", others.len()));
            Ok(Change::Commit(Ok(others.len())))
        })
        .await
    }

    async fn write_secret(
        &self,
        transaction: &Transaction,
        locked: &Locked,
    ) -> Result<(), StoreError> {
        let secret = &locked.secret;
        UPDATE
            .execute(
                transaction,
                &[
                    &self.clock().stub(),
                    &secret.namespace,
                    &secret.name,
                    &locked.description,
                    &texts(&secret.hosts),
                    &secret.version,
                    &secret.sealed.key_id,
                    &secret.sealed.nonce,
                    &secret.sealed.ciphertext,
                    &transaction.author().caller.label(),
                ],
            )
            .await?;
        Ok(())
    }
}

impl SealedSecret {
    /// Encrypts a value, by default the present value, for hosts, by default the present hosts. Any
    /// change makes a new version.
    fn seal_again(
        &mut self,
        keys: &Keys,
        value: Option<&Secret>,
        hosts: Option<&Vec<SecretHost>>,
    ) -> Result<(), CannotOpen> {
        let plain = match value {
            Some(value) => value.clone(),
            // Opened under the old binding, sealed below under the new one.
            None => keys.open(self.binding(), &self.sealed)?,
        };
        if value.is_some() || hosts.is_some() {
            self.version = self.version.saturating_add(1);
        }
        if let Some(hosts) = hosts {
            self.hosts.clone_from(hosts);
        }
        self.sealed = keys.seal(self.binding(), &plain)?;
        Ok(())
    }
}

impl Locked {
    fn of(row: &Row) -> Result<Self, StoreError> {
        let secret = sealed(row)?;
        let row = Values::of("secret", row);
        Ok(Self {
            secret,
            description: row.get("description")?,
            is_signing: row.get("is_signing")?,
        })
    }

    fn content(&self) -> serde_json::Value {
        let Self {
            secret,
            description,
            ..
        } = self;
        content(description.as_deref(), &secret.hosts, secret.version)
    }
}

/// The part of a secret in the audit log.
fn content(description: Option<&str>, hosts: &[SecretHost], version: i32) -> serde_json::Value {
    json!({"description": description, "hosts": texts(hosts), "version": version})
}

fn entry(namespace: &str, name: &str) -> Entry {
    Entry::of("secret", format!("{namespace}/{name}")).named(name)
}

fn cannot(name: &str, error: CannotOpen) -> ChangeOutcome {
    ChangeOutcome::Keys {
        secret: name.to_owned(),
        error,
    }
}

/// A value must not be encrypted with a key that the other nodes do not have: a key of the cluster
/// that this process does not know shows that it has another key file.
fn missing_key(totals: &SecretTotals, keys: &Keys) -> Option<CannotOpen> {
    if let Err(error) = keys.current() {
        return Some(error.into());
    }
    let unknown = totals.key_ids.iter().find(|id| !keys.knows(id));
    unknown.cloned().map(CannotOpen::UnknownKey)
}
