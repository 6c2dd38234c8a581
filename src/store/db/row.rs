//! Values of rows, read without a panic: another version, or manual SQL, may have written them.
//!
//! The driver's own accessor (`Row::get`) panics on a value that it cannot convert; clippy.toml
//! forbids the call.

use crate::model::Timestamp;
use crate::store::StoreError;
use chrono::{NaiveDate, NaiveTime};
use serde_json::Value;
use serde_json::value::RawValue;
use std::error::Error;
use std::fmt::Display;
use tokio_postgres::Row;
use tokio_postgres::row::RowIndex;
use tokio_postgres::types::{FromSql, Json, Type};
use uuid::Uuid;

/// The first instant for the API.
const FIRST: Timestamp = beginning_of(1);
/// The first instant too late for the API.
const END: Timestamp = beginning_of(10_000);
/// The instant 0 of PostgreSQL.
const Y2000: Timestamp = beginning_of(2000);

const fn beginning_of(year: i32) -> Timestamp {
    NaiveDate::from_yo_opt(year, 1)
        .expect("a year of the calendar")
        .and_time(NaiveTime::MIN)
        .and_utc()
}

/// Types of columns readable without a panic.
pub(crate) trait Readable {
    /// Why a converted value is invalid.
    fn oddity(&self) -> Option<&'static str> {
        None
    }
}

macro_rules! readable {
    ($($of:ty),*) => { $(impl Readable for $of {})* };
}
readable!(
    bool,
    i16,
    i32,
    i64,
    f64,
    &str,
    &[u8],
    String,
    Uuid,
    Value,
    Json<Box<RawValue>>
);

/// The API shows instants of the years 1 to 9999. Arithmetic with other years may overflow and
/// panic.
impl Readable for Timestamp {
    fn oddity(&self) -> Option<&'static str> {
        (!(FIRST..END).contains(self)).then_some("the instant is not in the years 1 to 9999")
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

/// An instant, clamped to the years 1 to 9999.
struct Bound(Timestamp);

impl<'a> FromSql<'a> for Bound {
    fn from_sql(of: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        // Microseconds since 2000; the infinities are the least and the greatest number.
        let (first, last) = (FIRST.timestamp_micros(), END.timestamp_micros() - 1);
        let micros = <i64 as FromSql>::from_sql(of, raw)?.saturating_add(Y2000.timestamp_micros());
        let instant = Timestamp::from_timestamp_micros(micros.clamp(first, last));
        instant
            .map(Self)
            .ok_or_else(|| "the instant cannot be counted with".into())
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::TIMESTAMPTZ
    }
}

/// The values of a row.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a> {
    of: &'static str,
    row: &'a Row,
}

impl<'a> Values<'a> {
    /// The values of a row of the table, or of the result of the statement.
    pub(crate) fn of(of: &'static str, row: &'a Row) -> Self {
        Self { of, row }
    }

    /// The value of a column.
    pub(crate) fn get<T: FromSql<'a> + Readable>(
        self,
        column: impl RowIndex + Display + Copy,
    ) -> Result<T, StoreError> {
        let odd = |reason: &dyn Display| self.unreadable(format_args!("column {column}: {reason}"));
        match self.row.try_get::<_, T>(column) {
            Ok(value) => value.oddity().map_or(Ok(value), |oddity| Err(odd(&oddity))),
            Err(error) => Err(error
                .source()
                .map_or_else(|| odd(&error), |cause| odd(&cause))),
        }
    }

    /// A possibly infinite instant, clamped to the years 1 to 9999.
    pub(crate) fn bound(
        self,
        column: impl RowIndex + Display + Copy,
    ) -> Result<Timestamp, StoreError> {
        let bound = self.row.try_get::<_, Bound>(column);
        bound
            .map(|Bound(instant)| instant)
            .map_err(|error| self.unreadable(format_args!("column {column}: {error}")))
    }

    /// An error about the row.
    pub(crate) fn unreadable(self, reason: impl Display) -> StoreError {
        StoreError::Unreadable {
            table: self.of,
            id: self.id(),
            reason: reason.to_string(),
        }
    }

    /// The key of the row for the log, if the statement reads a key.
    fn id(self) -> String {
        let uuid = |column| {
            self.row
                .try_get::<_, Uuid>(column)
                .ok()
                .map(|id| id.to_string())
        };
        uuid("id")
            .or_else(|| uuid("job_id"))
            .or_else(|| self.row.try_get::<_, String>("name").ok())
            .unwrap_or_else(|| "unknown".to_owned())
    }
}

/// A column of all rows.
pub(crate) fn column<'a, T: FromSql<'a> + Readable, C: FromIterator<T>>(
    of: &'static str,
    rows: impl IntoIterator<Item = &'a Row>,
    column: impl RowIndex + Display + Copy,
) -> Result<C, StoreError> {
    rows.into_iter()
        .map(|row| Values::of(of, row).get(column))
        .collect()
}

/// [`Values::bound`] of all rows.
pub(crate) fn bounds<'a>(
    of: &'static str,
    rows: impl IntoIterator<Item = &'a Row>,
    column: impl RowIndex + Display + Copy,
) -> Result<Vec<Timestamp>, StoreError> {
    rows.into_iter()
        .map(|row| Values::of(of, row).bound(column))
        .collect()
}

/// The rows in which the column is true, and the others.
pub(crate) fn partition<'a>(
    of: &'static str,
    rows: &'a [Row],
    column: impl RowIndex + Display + Copy,
) -> Result<(Vec<&'a Row>, Vec<&'a Row>), StoreError> {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for row in rows {
        if Values::of(of, row).get(column)? {
            with.push(row);
        } else {
            without.push(row);
        }
    }
    Ok((with, without))
}
