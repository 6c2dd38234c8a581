//! Errors of the store, and the possible reactions of a caller.

use std::time::Duration;
use tokio_postgres::error::SqlState;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection was available.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No server of the URL can be used: waiting does not help.
    #[error("the database cannot be used")]
    Unfit(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The call exceeded the time limit; the effect is unknown.
    #[error("the database did not answer `{call}` within {after:?}")]
    Timeout {
        /// Name of the statement or call.
        call: &'static str,
        /// Time limit of the call.
        after: Duration,
    },
    /// The database refused a statement or the connection broke.
    #[error("the database refused `{call}`")]
    Refused {
        /// Name of the statement or call.
        call: &'static str,
        /// The error of the server or of the driver.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The rows exceed the memory budget of the request.
    #[error("the rows take more than {max} bytes")]
    TooLarge {
        /// The budget, in bytes.
        max: usize,
    },
    /// A row has a value unreadable to the binary.
    #[error("row {id} of {table} cannot be understood: {reason}")]
    Unreadable {
        /// Table of the row.
        table: &'static str,
        /// Key of the row.
        id: String,
        /// The value, and the reason.
        reason: String,
    },
}

impl StoreError {
    /// Whether the row exists already.
    pub(crate) fn is_duplicate(&self) -> bool {
        self.is_refused_with(&SqlState::UNIQUE_VIOLATION)
    }

    /// Whether another row refers to the row to delete.
    pub(crate) fn is_of_a_reference(&self) -> bool {
        self.is_refused_with(&SqlState::FOREIGN_KEY_VIOLATION)
    }

    /// Whether one row of a batch is the cause, so the batch would succeed without it: the row is
    /// unreadable, or the database refuses the row (a value, a constraint, a limit of the server, a
    /// raising trigger).
    pub fn is_of_a_row(&self) -> bool {
        const CLASSES: [&str; 9] = ["21", "22", "23", "2B", "38", "39", "44", "54", "P0"];
        match self {
            Self::Unreadable { .. } => true,
            Self::Refused { source, .. } => match source.code() {
                Some(code) => CLASSES.iter().any(|class| code.code().starts_with(class)),
                None => is_unsendable(source),
            },
            Self::Unavailable(_)
            | Self::Unfit(_)
            | Self::Timeout { .. }
            | Self::TooLarge { .. } => false,
        }
    }

    /// A text about a failed row, for display. Without the server's detail, which may repeat the
    /// whole row.
    pub fn in_words(&self) -> String {
        match self {
            Self::Refused { source, .. } => match source.as_db_error() {
                Some(said) => format!("{} (SQLSTATE {})", said.message(), said.code().code()),
                None => source.to_string(),
            },
            other => other.to_string(),
        }
    }

    /// Whether the cause is an earlier failure in the same transaction.
    pub(crate) fn is_echo(&self) -> bool {
        self.is_refused_with(&SqlState::IN_FAILED_SQL_TRANSACTION)
    }

    fn is_refused_with(&self, state: &SqlState) -> bool {
        matches!(self, Self::Refused { source, .. } if source.code() == Some(state))
    }

    /// Whether the call exceeded its time limit.
    pub(crate) fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. })
    }

    /// Whether a lock was not granted in time.
    pub(crate) fn is_lock_timeout(&self) -> bool {
        self.is_refused_with(&SqlState::LOCK_NOT_AVAILABLE)
    }

    /// Whether the same call may succeed later: the API answers `UNAVAILABLE`.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Timeout { .. } => true,
            Self::Refused { source, .. } => is_passing(source),
            Self::Unfit(_) | Self::Unreadable { .. } | Self::TooLarge { .. } => false,
        }
    }
}

/// Connection lost, server starting or stopping, resources exhausted, serialization failure or
/// deadlock: classes 08, 53, 57, 40, and lock timeout.
fn is_passing(error: &tokio_postgres::Error) -> bool {
    !is_unsendable(error)
        && (error.is_closed()
            || error.code().is_none_or(|code| {
                *code == SqlState::LOCK_NOT_AVAILABLE
                    || *code == SqlState::READ_ONLY_SQL_TRANSACTION
                    || ["08", "53", "57", "40"]
                        .iter()
                        .any(|class| code.code().starts_with(class))
            }))
}

/// Whether the driver could not serialize a value. The driver has no error kind for this, only the
/// text.
fn is_unsendable(error: &tokio_postgres::Error) -> bool {
    error.code().is_none() && error.to_string().starts_with("error serializing parameter")
}

/// Both answers of statements sent together. Of two errors returns the cause: after an error the
/// server refuses the rest of the transaction without a reason.
pub(crate) fn both<A, B>(
    one: Result<A, StoreError>,
    other: Result<B, StoreError>,
) -> Result<(A, B), StoreError> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        (Err(one), Err(other)) => Err(if one.is_echo() { other } else { one }),
    }
}

/// Adds the name of the call to an error of the driver.
pub(crate) trait During<T> {
    fn during(self, call: &'static str) -> Result<T, StoreError>;
}

impl<T> During<T> for Result<T, tokio_postgres::Error> {
    fn during(self, call: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Refused { call, source })
    }
}
