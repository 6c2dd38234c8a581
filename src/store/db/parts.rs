//! Work on many rows of which one may make it fail: it is done in ever smaller parts, down to that
//! row.

use super::session::Transaction;
use crate::store::{During, StoreError};

/// What became of work in parts.
pub(super) struct Parts<T, R> {
    /// The answer of each part that was done.
    pub(crate) done: Vec<R>,
    /// What could not be done by itself either, and why.
    pub(crate) odd: Vec<(T, StoreError)>,
}

/// Does the work for all of these at once. When it fails for a reason of one row, what it did is
/// undone, and each half is worked on by itself. Any other error ends all: that the database does
/// not answer is no row's fault.
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
                match part {
                    [one] => parts.odd.push((one.clone(), error)),
                    many => {
                        let (first, second) = many.split_at(many.len() / 2);
                        ahead.extend([second, first]);
                    }
                }
            }
        }
    }
    Ok(parts)
}
