//! The audit log: outcomes and filters.

use super::{InvalidInput, Timestamp, text, text_enum};

text_enum! {
    /// Outcome of a caller's request.
    #[derive(async_graphql::Enum)]
    AuditOutcome, "outcome" {
        /// The request was carried out.
        Done = "DONE",
        /// The caller had no right, or could not sign in.
        Refused = "REFUSED",
    }
}

/// A filter of the audit log. All given conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// First instant of the entries, included.
    pub from: Option<Timestamp>,
    /// Last instant, not included.
    pub to: Option<Timestamp>,
    /// The caller, as named in the log.
    pub caller: Option<String>,
    /// Name of the mutation or of the decision.
    pub action: Option<String>,
    /// Kind of the object.
    pub object_kind: Option<String>,
    /// Id of the object; of a calendar its name.
    pub object_id: Option<String>,
    /// Outcome of the entries.
    pub outcome: Option<AuditOutcome>,
}

impl AuditFilter {
    /// Refuses too long texts. The error names the field.
    pub fn validate(&self) -> Result<(), InvalidInput> {
        for (field, text) in [
            ("filter.caller", &self.caller),
            ("filter.action", &self.action),
            ("filter.objectKind", &self.object_kind),
            ("filter.objectId", &self.object_id),
        ] {
            text::SEARCH.check_given(field, text.as_deref())?;
        }
        Ok(())
    }
}
