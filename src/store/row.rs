//! Values of rows, read without a panic: what stands in a table may have been written by another version, or by hand.
//!
//! The driver's own accessor (`Row::get`) panics on a value that it cannot convert; clippy.toml forbids it.

use super::StoreError;
use crate::model::Timestamp;
use chrono::Datelike;
use serde_json::Value;
use serde_json::value::RawValue;
use std::error::Error;
use std::fmt::Display;
use tokio_postgres::Row;
use tokio_postgres::row::RowIndex;
use tokio_postgres::types::{FromSql, Json};
use uuid::Uuid;

/// What a column can be read as.
pub(super) trait Readable {
    /// Why a value is of no use although it could be converted.
    fn oddity(&self) -> Option<&'static str> {
        None
    }
}

macro_rules! readable {
    ($($of:ty),*) => { $(impl Readable for $of {})* };
}
readable!(bool, i16, i32, i64, f64, &str, String, Uuid, Value, Json<Box<RawValue>>);

/// The API shows instants of the years 1 to 9999. A sum with one of another year may be beyond what can be counted
/// with, which panics.
impl Readable for Timestamp {
    fn oddity(&self) -> Option<&'static str> {
        (!(1..=9999).contains(&self.year())).then_some("the instant is not in the years 1 to 9999")
    }
}

impl<T: Readable> Readable for Option<T> {
    fn oddity(&self) -> Option<&'static str> {
        self.as_ref().and_then(Readable::oddity)
    }
}

impl<T: Readable> Readable for Vec<T> {
    fn oddity(&self) -> Option<&'static str> {
        self.iter().find_map(Readable::oddity)
    }
}

/// The values of one row.
#[derive(Clone, Copy)]
pub(super) struct Values<'a> {
    of: &'static str,
    row: &'a Row,
}

impl<'a> Values<'a> {
    /// Those of a row of this table, or of the answer to this statement.
    pub(super) fn of(of: &'static str, row: &'a Row) -> Self {
        Self { of, row }
    }

    /// The value of a column.
    pub(super) fn get<T: FromSql<'a> + Readable>(
        self,
        column: impl RowIndex + Display + Copy,
    ) -> Result<T, StoreError> {
        let odd = |reason: &dyn Display| self.unreadable(format_args!("column {column}: {reason}"));
        match self.row.try_get::<_, T>(column) {
            Ok(value) => value.oddity().map_or(Ok(value), |oddity| Err(odd(&oddity))),
            Err(error) => Err(error.source().map_or_else(|| odd(&error), |cause| odd(&cause))),
        }
    }

    /// The row cannot be understood.
    pub(super) fn unreadable(self, reason: impl Display) -> StoreError {
        StoreError::Unreadable { table: self.of, id: self.id(), reason: reason.to_string() }
    }

    /// What names the row in a log, as far as it was asked for.
    fn id(self) -> String {
        let uuid = |column| self.row.try_get::<_, Uuid>(column).ok().map(|id| id.to_string());
        let name = || self.row.try_get::<_, String>("name").ok();
        uuid("id").or_else(|| uuid("job_id")).or_else(name).unwrap_or_else(|| "unknown".to_owned())
    }
}

/// One column of all rows of an answer.
pub(super) fn column<'a, T: FromSql<'a> + Readable, C: FromIterator<T>>(
    of: &'static str,
    rows: impl IntoIterator<Item = &'a Row>,
    column: impl RowIndex + Display + Copy,
) -> Result<C, StoreError> {
    rows.into_iter().map(|row| Values::of(of, row).get(column)).collect()
}

/// The rows whose column is true, and the others.
pub(super) fn partition<'a>(
    of: &'static str,
    rows: &'a [Row],
    column: impl RowIndex + Display + Copy,
) -> Result<(Vec<&'a Row>, Vec<&'a Row>), StoreError> {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for row in rows {
        if Values::of(of, row).get(column)? { with.push(row) } else { without.push(row) }
    }
    Ok((with, without))
}
