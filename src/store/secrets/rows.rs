//! Secrets as stored.

use crate::model::Timestamp;
use crate::model::namespace::Reach;
use crate::model::secret_host::SecretHost;
use crate::secrets::{Binding, Sealed};
use crate::store::db::row::Values;
use crate::store::db::statement::Statement;
use crate::store::{Store, StoreError};
use tokio_postgres::Row;

const LIST: Statement = Statement::new(
    "-- secrets.list
select s.namespace, s.name, s.description, s.hosts, s.is_signing, s.version, s.created_at,
       s.created_by, s.updated_at,
       (select count(*) from job_secret j where j.namespace = s.namespace and j.name = s.name)
           as jobs
from secret s
where $1::text is null or s.namespace = $1
order by s.namespace, s.name limit 1000",
);

const NAMED: Statement = Statement::new(
    "-- secrets.named
select s.namespace, s.name, s.description, s.hosts, s.is_signing, s.version, s.created_at,
       s.created_by, s.updated_at,
       (select count(*) from job_secret j where j.namespace = s.namespace and j.name = s.name)
           as jobs
from unnest($1::text[], $2::text[]) as wanted (namespace, name)
join secret s on s.namespace = wanted.namespace and s.name = wanted.name",
);

const SEALED: Statement = Statement::new(
    "-- secrets.sealed
select namespace, name, version, hosts, key_id, nonce, ciphertext from secret
where namespace = $1 and name = any($2::text[])",
);

const TOTALS: Statement = Statement::new(
    "-- secrets.totals
select count(*) as secrets,
       coalesce(array_agg(distinct key_id order by key_id), '{}') as key_ids
from secret",
);

/// A secret without the value.
#[derive(Debug, Clone)]
pub struct SecretRecord {
    /// Namespace of the secret.
    pub namespace: String,
    /// The name in references.
    pub name: String,
    /// A text for display only.
    pub description: Option<String>,
    /// Hosts for the secret.
    pub hosts: Vec<SecretHost>,
    /// Whether the secret signs requests instead of being sent.
    pub is_signing: bool,
    /// Raised by each change of the value or the hosts.
    pub version: i32,
    /// Time of the creation.
    pub created_at: Timestamp,
    /// The creator of the secret. Display only.
    pub created_by: String,
    /// Time of the last change.
    pub updated_at: Timestamp,
    /// Jobs with a reference to the secret.
    pub jobs: i64,
}

/// What is known of all secrets together.
#[derive(Debug)]
pub struct SecretTotals {
    /// Number of secrets.
    pub secrets: i64,
    /// The keys that they are encrypted with.
    pub key_ids: Vec<String>,
}

/// A secret with its encrypted value.
#[derive(Debug)]
pub(super) struct SealedSecret {
    pub namespace: String,
    pub name: String,
    pub version: i32,
    pub hosts: Vec<SecretHost>,
    pub sealed: Sealed,
}

impl Store {
    /// All secrets of a namespace, or of the cluster.
    pub async fn secrets(&self, namespace: Option<&str>) -> Result<Vec<SecretRecord>, StoreError> {
        self.read_all(LIST, &[&namespace], record).await
    }

    /// Those of these secrets that exist, each given by its namespace and its name.
    pub async fn secrets_named(
        &self,
        wanted: &[(&str, &str)],
    ) -> Result<Vec<SecretRecord>, StoreError> {
        let (namespaces, names): (Vec<&str>, Vec<&str>) = wanted.iter().copied().unzip();
        self.read_all(NAMED, &[&namespaces, &names], record).await
    }

    /// The number and the keys of the secrets of the whole cluster, whatever the reach of the
    /// caller: the bound and the keys are those of the cluster.
    pub async fn secret_totals(&self) -> Result<SecretTotals, StoreError> {
        let cluster = self.within_reach(Reach::All);
        let totals = cluster.read_opt(TOTALS, &[], |row| {
            let row = Values::of(TOTALS.name(), row);
            Ok(SecretTotals {
                secrets: row.get("secrets")?,
                key_ids: row.get("key_ids")?,
            })
        });
        let totals = totals.await?;
        Ok(totals.unwrap_or(SecretTotals {
            secrets: 0,
            key_ids: Vec::new(),
        }))
    }

    /// Encrypted values of the existing secrets.
    pub(super) async fn sealed_secrets(
        &self,
        namespace: &str,
        names: &[&str],
    ) -> Result<Vec<SealedSecret>, StoreError> {
        self.read_all(SEALED, &[&namespace, &names], sealed).await
    }
}

impl SealedSecret {
    pub(super) fn binding(&self) -> Binding<'_> {
        Binding {
            namespace: &self.namespace,
            name: &self.name,
            version: self.version,
            hosts: &self.hosts,
        }
    }
}

pub(super) fn texts(hosts: &[SecretHost]) -> Vec<String> {
    hosts.iter().map(ToString::to_string).collect()
}

fn hosts(row: Values<'_>) -> Result<Vec<SecretHost>, StoreError> {
    let texts: Vec<String> = row.get("hosts")?;
    let hosts = texts.iter().map(|text| SecretHost::stored(text));
    hosts
        .collect::<Option<_>>()
        .ok_or_else(|| row.unreadable("column hosts: not a host"))
}

pub(super) fn sealed(row: &Row) -> Result<SealedSecret, StoreError> {
    let row = Values::of("secret", row);
    Ok(SealedSecret {
        namespace: row.get("namespace")?,
        name: row.get("name")?,
        version: row.get("version")?,
        hosts: hosts(row)?,
        sealed: Sealed {
            key_id: row.get("key_id")?,
            nonce: row.get::<&[u8]>("nonce")?.to_vec(),
            ciphertext: row.get::<&[u8]>("ciphertext")?.to_vec(),
        },
    })
}

fn record(row: &Row) -> Result<SecretRecord, StoreError> {
    let row = Values::of("secret", row);
    Ok(SecretRecord {
        namespace: row.get("namespace")?,
        name: row.get("name")?,
        description: row.get("description")?,
        hosts: hosts(row)?,
        is_signing: row.get("is_signing")?,
        version: row.get("version")?,
        created_at: row.get("created_at")?,
        created_by: row.get("created_by")?,
        updated_at: row.get("updated_at")?,
        jobs: row.get("jobs")?,
    })
}
