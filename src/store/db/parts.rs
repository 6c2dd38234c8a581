//! Work in parts: when a row among many makes the work fail, the rows are halved until the row is
//! found.

use super::session::Transaction;
use crate::store::{During, StoreError};

/// The result of work in parts.
pub(crate) struct Parts<T, R> {
    /// The answers of the successful parts.
    pub(crate) done: Vec<R>,
    /// The rows that fail alone, and why.
    pub(crate) odd: Vec<(T, StoreError)>,
}

/// Does the work for all rows at once. Work that fails because of a row is undone, and done for
/// each half. Any other error ends the work: an unreachable database is no row's fault.
pub(crate) async fn in_parts<T: Clone, R>(
    transaction: &Transaction,
    all: &[T],
    work: impl AsyncFn(&[T]) -> Result<R, StoreError>,
) -> Result<Parts<T, R>, StoreError> {
    let mut parts = Parts {
        done: Vec::new(),
        odd: Vec::new(),
    };
    let mut ahead = if all.is_empty() {
        Vec::new()
    } else {
        vec![all]
    };
    while let Some(part) = ahead.pop() {
        let recorded = transaction.recorded();
        transaction
            .batch_execute("savepoint part")
            .await
            .during("parts.begin")?;
        match work(part).await {
            Ok(done) => {
                transaction
                    .batch_execute("release savepoint part")
                    .await
                    .during("parts.end")?;
                parts.done.push(done);
            }
            Err(error) if !error.is_of_a_row() => return Err(error),
            Err(error) => {
                let undo = "rollback to savepoint part; release savepoint part";
                transaction.batch_execute(undo).await.during("parts.undo")?;
                // The entries of the audit log are not on the server yet, so the rollback does not
                // reach the entries.
                transaction.forget_after(recorded);
                match part {
                    [one] => parts.odd.push((one.clone(), error)),
                    many => {
                        let (first, second) = many.split_at(many.len() / 2);
                        // A stack: the first half comes next, so the answers keep the order of the
                        // rows.
                        ahead.extend([second, first]);
                    }
                }
            }
        }
    }
    Ok(parts)
}
