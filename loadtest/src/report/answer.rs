//! How a delivery went, as the sink saw it.

use crate::history::Delivery;

/// How a delivery went. What a reader sees of it is never its colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// 2xx.
    Done,
    /// 5xx, or anything that the others are not.
    Failed,
    /// 4xx: a fenced target refused an old attempt.
    Refused,
    /// 499: the client went away first.
    Gone,
    /// No answer and no end.
    Hanging,
}

impl Answer {
    /// All, as the legend lists them.
    pub const ALL: [Self; 5] = [
        Self::Done,
        Self::Failed,
        Self::Refused,
        Self::Gone,
        Self::Hanging,
    ];

    /// Of one delivery.
    pub fn of(delivery: &Delivery) -> Self {
        match delivery.status {
            None => Self::Hanging,
            Some(200..=299) => Self::Done,
            Some(499) => Self::Gone,
            Some(400..=498) => Self::Refused,
            Some(_) => Self::Failed,
        }
    }

    /// Its key in JSON, and its class in the style sheet.
    pub fn key(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Gone => "gone",
            Self::Hanging => "hanging",
        }
    }

    /// As text.
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
