//! The outcome of a delivery, at the sink.

use crate::history::Delivery;

/// The outcome of a delivery. Its drawing never depends on colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// Answered with a 2xx status.
    Done,
    /// Answered 5xx, or any other status.
    Failed,
    /// 4xx: a fenced target refused an old attempt.
    Refused,
    /// 499: the client went away first.
    Gone,
    /// No answer and no end.
    Hanging,
}

impl Answer {
    /// All outcomes, in the order of the legend.
    pub const ALL: [Self; 5] = [
        Self::Done,
        Self::Failed,
        Self::Refused,
        Self::Gone,
        Self::Hanging,
    ];

    /// The outcome of one delivery.
    pub fn of(delivery: &Delivery) -> Self {
        match delivery.status {
            None => Self::Hanging,
            Some(200..=299) => Self::Done,
            Some(499) => Self::Gone,
            Some(400..=498) => Self::Refused,
            Some(_) => Self::Failed,
        }
    }

    /// Key in JSON, and class in the style sheet.
    pub fn key(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Gone => "gone",
            Self::Hanging => "hanging",
        }
    }

    /// Text of the legend.
    pub fn label(self) -> &'static str {
        match self {
            Self::Done => "answered 2xx",
            Self::Failed => "answered 5xx",
            Self::Refused => "refused 4xx",
            Self::Gone => "client went away (499)",
            Self::Hanging => "never answered",
        }
    }
}
