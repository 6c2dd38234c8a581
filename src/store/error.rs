//! Errors of the store, and what a caller may do after one.

use std::time::Duration;
use tokio_postgres::error::SqlState;

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection could be had.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Each server of the URL is one that cannot be used as it is: waiting does not help.
    #[error("the database cannot be used")]
    Unfit(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The call took longer than its bound; whether it took effect is unknown.
    #[error("the database did not answer `{call}` within {after:?}")]
    Timeout {
        /// The call, as it is named in the log.
        call: &'static str,
        /// The bound.
        after: Duration,
    },
    /// The database refused a statement or the connection broke.
    #[error("the database refused `{call}`")]
    Refused {
        /// The call, as it is named in the log.
        call: &'static str,
        /// What it said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The rows take more memory than the request may have.
    #[error("the rows take more than {max} bytes")]
    TooLarge {
        /// What it may have.
        max: usize,
    },
    /// A row holds something that this binary does not understand.
    #[error("row {id} of {table} cannot be understood: {reason}")]
    Unreadable {
        /// The table.
        table: &'static str,
        /// The row's key.
        id: String,
        /// What is odd.
        reason: String,
    },
}

impl StoreError {
    /// Whether a row is there already.
    pub(crate) fn is_duplicate(&self) -> bool {
        matches!(self, Self::Refused { source, .. } if source.code() == Some(&SqlState::UNIQUE_VIOLATION))
    }

    /// Whether a row of a batch is the reason, so that the others would go through without it: the
    /// row cannot be read, or the database does not take it (a value, a constraint, a limit of the
    /// server, a trigger that raises).
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

    /// What it says of a row that could not be read or written, for people. The server's detail is
    /// left out: it may repeat the whole row.
    pub fn in_words(&self) -> String {
        match self {
            Self::Refused { source, .. } => match source.as_db_error() {
                Some(said) => format!("{} (SQLSTATE {})", said.message(), said.code().code()),
                None => source.to_string(),
            },
            other => other.to_string(),
        }
    }

    /// Whether it says only that a statement before it in the transaction failed.
    pub(crate) fn is_echo(&self) -> bool {
        matches!(self, Self::Refused { source, .. } if source.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION))
    }

    /// Whether the call took longer than it may.
    pub(crate) fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. })
    }

    /// Whether a lock could not be had in time.
    pub(crate) fn is_lock_timeout(&self) -> bool {
        matches!(self, Self::Refused { source, .. } if source.code() == Some(&SqlState::LOCK_NOT_AVAILABLE))
    }

    /// Whether it may work later as it is: the API says `UNAVAILABLE`.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Timeout { .. } => true,
            Self::Refused { source, .. } => is_passing(source),
            Self::Unfit(_) | Self::Unreadable { .. } | Self::TooLarge { .. } => false,
        }
    }
}

/// Connection lost, server starting or stopping, out of resources, lost a race
/// for locks: classes 08, 53, 57, 40, and lock timeout.
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

/// Whether the driver could not turn a value into what the server takes. It has no kind of its own
/// for that, only the text.
fn is_unsendable(error: &tokio_postgres::Error) -> bool {
    error.code().is_none() && error.to_string().starts_with("error serializing parameter")
}

/// Both answers of statements that were sent together. Of two errors the cause: after one the
/// server refuses what follows in the transaction, and says no more than that.
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

/// Names the call that an error of the driver belongs to.
pub(crate) trait During<T> {
    fn during(self, call: &'static str) -> Result<T, StoreError>;
}

impl<T> During<T> for Result<T, tokio_postgres::Error> {
    fn during(self, call: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Refused { call, source })
    }
}
