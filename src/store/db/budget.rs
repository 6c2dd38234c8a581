//! The memory budget of the rows of a request.
//!
//! Rows are read as a stream and counted one by one, so a list of large rows is never in memory
//! completely.

use super::session::Session;
use super::statement::{Parameters, Statement};
use crate::store::{During, Store, StoreError};
use futures_util::{TryStreamExt, pin_mut};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

/// Approximate bytes of memory of a JSON value, in addition to the text.
const JSON_VALUE_BYTES: usize = 64;

/// Bytes of memory for rows. Only [`Budget::refill`] returns bytes.
#[derive(Debug)]
pub struct Budget {
    max: usize,
    taken: AtomicUsize,
}

impl Budget {
    /// A budget of `max` bytes.
    pub fn of(max: usize) -> Self {
        Self {
            max,
            taken: AtomicUsize::new(0),
        }
    }

    /// The bytes that are taken.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Returns all bytes to the budget.
    pub fn refill(&self) {
        self.taken.store(0, Ordering::Relaxed);
    }

    fn take(&self, row: &Row) -> Result<(), StoreError> {
        let bytes = row.raw_size_bytes() + JSON_VALUE_BYTES * json_values(row);
        let taken = self.taken.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if taken > self.max {
            Err(StoreError::TooLarge { max: self.max })
        } else {
            Ok(())
        }
    }
}

impl Store {
    /// The same store, with a budget for large rows.
    #[must_use]
    pub fn within(&self, budget: Arc<Budget>) -> Self {
        Self {
            budget: Some(budget),
            ..self.clone()
        }
    }

    /// The rows of a statement, within the budget, if any.
    pub(crate) async fn rows(
        &self,
        session: &Session,
        statement: Statement<'_>,
        values: Parameters<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let Some(budget) = &self.budget else {
            return statement.query(session, values).await;
        };
        let stream = statement.stream(session, values).await?;
        pin_mut!(stream);
        let mut rows = Vec::new();
        while let Some(row) = stream.try_next().await.during(statement.name())? {
            // Before the row is kept: the first row over the budget ends the reading.
            budget.take(&row)?;
            rows.push(row);
        }
        Ok(rows)
    }
}

/// Commas in a `jsonb` column: about as many as values. A `json` column is kept as text.
struct Commas(usize);

impl<'a> FromSql<'a> for Commas {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(
            raw.iter()
                .fold(0, |count, byte| count + usize::from(*byte == b',')),
        ))
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::JSONB
    }
}

fn json_values(row: &Row) -> usize {
    let columns = row
        .columns()
        .iter()
        .enumerate()
        .filter(|(_, column)| *column.type_() == Type::JSONB);
    let commas =
        columns.filter_map(|(index, _)| row.try_get::<_, Option<Commas>>(index).ok().flatten());
    commas.map(|Commas(count)| count).sum()
}
