//! Why a database server is not used.

use tokio_postgres::Error;

/// Why a server is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The server may become usable without a change by the operator.
    ForNow(String),
    /// The operator must change something first.
    ForGood(String),
}

impl Refusal {
    /// The reason, for the log.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::ForNow(reason) | Self::ForGood(reason) => reason,
        }
    }
}

/// The driver's error, without the prefixes "error connecting to server" and "db error".
impl From<&Error> for Refusal {
    fn from(error: &Error) -> Self {
        let cause =
            std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        if cause.contains("unsupported startup parameter") {
            return Self::ForGood(format!(
                "a pooler, which refuses the `options` of the URL: leave them out ({cause})"
            ));
        }
        if cause == "server does not support TLS" {
            return Self::ForNow(format!(
                "{cause}; sslmode=disable does without, inside a network that you trust"
            ));
        }
        Self::ForNow(cause)
    }
}
