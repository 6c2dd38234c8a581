//! Entries of the audit log: actions of commands, and decisions of nodes.
//!
//! Entries hold only the details given by the commands: no payload, no header value and no secret.

use crate::model::access::Caller;
use crate::model::audit::AuditOutcome;
use crate::store::db::statement::Statement;
use deadpool_postgres::ClientWrapper;
use serde_json::{Map, Value};
use tokio_postgres::types::ToSql;

/// Longest label of a caller, and reason of a refusal.
const TEXT_CHARS_MAX: usize = 300;

/// The entries of a transaction. An entry about a job gets the name from the row of the job.
pub(crate) const INSERT: Statement = Statement::new(
    "-- audit.insert
insert into audit_log (at, caller, caller_kind, caller_id, address, action, object_kind, object_id,
    object_name, outcome, details)
select clock_timestamp(), $1, $2, $3, $4, x.action, x.object_kind, x.object_id,
       coalesce(x.object_name, case when x.object_kind = 'job'
           then (select j.name from job_definition j where j.id = x.object_id::uuid) end),
       x.outcome, x.details::json
from unnest($5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[])
    as x (action, object_kind, object_id, object_name, outcome, details)",
);

/// An action on an object.
#[derive(Debug, Clone)]
pub struct Entry {
    object_kind: Option<&'static str>,
    object_id: Option<String>,
    object_name: Option<String>,
    outcome: AuditOutcome,
    details: Map<String, Value>,
}

impl Entry {
    /// Something about an object.
    pub fn of(kind: &'static str, id: impl Into<String>) -> Self {
        Self {
            object_id: Some(id.into()),
            ..Self::about(kind)
        }
    }

    /// Something about the cluster, or about many objects of a kind.
    pub fn about(kind: &'static str) -> Self {
        Self {
            object_kind: Some(kind),
            object_id: None,
            object_name: None,
            outcome: AuditOutcome::Done,
            details: Map::new(),
        }
    }

    /// A refusal, with a reason.
    pub(super) fn refused(reason: &str) -> Self {
        Self {
            object_kind: None,
            outcome: AuditOutcome::Refused,
            ..Self::about("")
        }
        .with("reason", storable(reason))
    }

    /// The name of the object.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.object_name = Some(name.to_owned());
        self
    }

    /// A detail. Never a payload, the value of a header, or a secret.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.details.insert(key.to_owned(), value.into());
        self
    }

    /// The version of a job before and after.
    #[must_use]
    pub fn with_versions(self, before: Option<i32>, after: Option<i32>) -> Self {
        self.with(
            "version",
            serde_json::json!({"before": before, "after": after}),
        )
    }

    /// The changed part: the keys with differing values, before and after.
    #[must_use]
    pub fn with_change(self, before: &Value, after: &Value) -> Self {
        let (before, after) = differing(before, after);
        self.with("before", before).with("after", after)
    }

    /// Details known to the command before the transaction.
    #[must_use]
    pub(crate) fn with_all(mut self, details: Map<String, Value>) -> Self {
        self.details.extend(details);
        self
    }
}

/// A text possibly from an unchecked caller, such as the name at a failed sign-in.
fn storable(text: &str) -> String {
    let bounded = text.chars().take(TEXT_CHARS_MAX);
    bounded
        // PostgreSQL refuses a NUL in a text, and other control characters could garble a terminal.
        .map(|char| if char.is_control() { '\u{fffd}' } else { char })
        .collect()
}

/// The keys with differing values.
fn differing(before: &Value, after: &Value) -> (Value, Value) {
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        // Whole values: only objects have keys to compare.
        return (before.clone(), after.clone());
    };
    let only = |these: &Map<String, Value>, those: &Map<String, Value>| {
        let changed = these
            .iter()
            .filter(|(key, value)| those.get(*key) != Some(*value));
        Value::Object(
            changed
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        )
    };
    (only(before, after), only(after, before))
}

/// Entries of a caller, as columns.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    actions: Vec<String>,
    kinds: Vec<Option<&'static str>>,
    ids: Vec<Option<String>>,
    names: Vec<Option<String>>,
    outcomes: Vec<&'static str>,
    details: Vec<Option<String>>,
}

impl Entries {
    pub(crate) fn push(&mut self, action: &str, entry: Entry) {
        self.actions.push(action.to_owned());
        self.kinds.push(entry.object_kind);
        self.ids.push(entry.object_id);
        self.names.push(entry.object_name);
        self.outcomes.push(entry.outcome.as_str());
        let details = Some(entry.details).filter(|details| !details.is_empty());
        self.details
            .push(details.map(|details| Value::Object(details).to_string()));
    }

    pub(crate) fn len(&self) -> usize {
        self.actions.len()
    }

    /// Keeps the first entries: the work of the others was undone.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.actions.truncate(len);
        self.kinds.truncate(len);
        self.ids.truncate(len);
        self.names.truncate(len);
        self.outcomes.truncate(len);
        self.details.truncate(len);
    }

    /// Writes the entries in a single statement.
    pub(crate) async fn write(
        &self,
        client: &ClientWrapper,
        statement: &tokio_postgres::Statement,
        caller: &Caller,
    ) -> Result<(), tokio_postgres::Error> {
        let address = caller.address.map(|address| address.to_string());
        let values: [&(dyn ToSql + Sync); 10] = [
            &storable(&caller.label()),
            &caller.kind.as_str(),
            &caller.id,
            &address,
            &self.actions,
            &self.kinds,
            &self.ids,
            &self.names,
            &self.outcomes,
            &self.details,
        ];
        client.execute(statement, &values).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_from_outside_is_one_bounded_line() {
        assert_eq!(storable("a\0b\nc"), "a\u{fffd}b\u{fffd}c");
        assert_eq!(storable(&"é".repeat(1_000)).chars().count(), 300);
    }

    #[test]
    fn a_change_has_only_what_differs() {
        let before = json!({"timeZone": "UTC", "description": null, "rules": {"a": 1}});
        let after = json!({"timeZone": "UTC", "description": "x", "rules": {"a": 2}});
        let entry = Entry::about("calendar").with_change(&before, &after);
        assert_eq!(
            Value::Object(entry.details),
            json!({"before": {"description": null, "rules": {"a": 1}},
                "after": {"description": "x", "rules": {"a": 2}}})
        );
    }
}
