//! References of jobs to secrets: the only writer of `job_secret`.

use crate::model::job::{Job, JobDefinition};
use crate::store::StoreError;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use std::collections::BTreeSet;
use uuid::Uuid;

const INSERT: Statement = Statement::new(
    "-- job_secrets.insert
insert into job_secret (job_id, namespace, name)
select r.job_id, j.namespace, r.name from unnest($1::uuid[], $2::text[]) as r (job_id, name)
join job_definition j on j.id = r.job_id",
);

const DELETE: Statement = Statement::new(
    "-- job_secrets.delete
delete from job_secret where job_id = any($1::uuid[])",
);

/// Writes the references of new jobs. Most jobs have none, and cost no statement. A deletion of a
/// secret at the same moment fails the transaction.
pub(crate) async fn insert<'a>(
    transaction: &Transaction,
    jobs: impl Iterator<Item = (Uuid, &'a JobDefinition)>,
) -> Result<(), StoreError> {
    let (mut ids, mut names) = (Vec::new(), Vec::new());
    for (id, definition) in jobs {
        for name in names_of(definition) {
            ids.push(id);
            names.push(name);
        }
    }
    if ids.is_empty() {
        return Ok(());
    }
    INSERT.execute(transaction, &[&ids, &names]).await?;
    Ok(())
}

/// Replaces the references of a job after a change of the definition.
pub(crate) async fn replace(
    transaction: &Transaction,
    old: &Job,
    new: &JobDefinition,
) -> Result<(), StoreError> {
    if names_of(&old.definition) == names_of(new) {
        return Ok(());
    }
    delete(transaction, &[old.id]).await?;
    insert(transaction, std::iter::once((old.id, new))).await
}

/// Removes the references of deleted jobs.
pub(crate) async fn delete(transaction: &Transaction, ids: &[Uuid]) -> Result<(), StoreError> {
    DELETE.execute(transaction, &[&ids]).await?;
    Ok(())
}

/// A definition with an invalid reference cannot be stored.
fn names_of(definition: &JobDefinition) -> BTreeSet<&str> {
    let references = definition.secret_references().unwrap_or_default();
    references.iter().map(|reference| reference.name).collect()
}
