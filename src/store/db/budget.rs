//! How much memory the rows of one request may take.
//!
//! Rows are read as a stream and counted one by one, so that a list of large rows is never in
//! memory as a whole.

use super::session::Session;
use crate::store::{During, Store, StoreError};
use futures_util::{TryStreamExt, pin_mut};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql, Type};

/// Bytes that a value inside JSON takes in memory besides its text, about.
const JSON_VALUE_BYTES: usize = 64;

/// Bytes of memory for rows; what is taken is given back by [`Budget::refill`] alone.
#[derive(Debug)]
pub struct Budget {
    max: usize,
    taken: AtomicUsize,
}

impl Budget {
    /// A budget of that many bytes.
    pub fn of(max: usize) -> Self {
        Self {
            max,
            taken: AtomicUsize::new(0),
        }
    }

    /// Bytes that were taken.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Gives back all that was taken.
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
    /// The same store, whose lists of large rows end at a budget.
    #[must_use]
    pub fn within(&self, budget: Arc<Budget>) -> Self {
        Self {
            budget: Some(budget),
            ..self.clone()
        }
    }

    /// The rows of a statement, within the budget if there is one.
    pub(crate) async fn rows(
        &self,
        session: &Session,
        call: &'static str,
        statement: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let statement = session.prepare_cached(statement).await.during(call)?;
        let Some(budget) = &self.budget else {
            return session.query(&statement, values).await.during(call);
        };
        let stream = session
            .query_raw(&statement, values.iter().copied())
            .await
            .during(call)?;
        pin_mut!(stream);
        let mut rows = Vec::new();
        while let Some(row) = stream.try_next().await.during(call)? {
            budget.take(&row)?;
            rows.push(row);
        }
        Ok(rows)
    }
}

/// Commas in a `jsonb` column: about as many as values. A `json` column is kept as its text.
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
