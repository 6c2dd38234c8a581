//! Conditions of a list: fixed SQL with placeholders. User input is always a value.

use super::job_states;
use crate::model::job::{JobState, JobStatus};
use crate::model::lists::JobFilter;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// Conditions served by an index, conditions checked row by row, and the values of both.
#[derive(Default)]
pub(crate) struct Conditions {
    found: Vec<String>,
    fits: Vec<String>,
    values: Vec<Box<dyn ToSql + Sync + Send>>,
}

impl Conditions {
    /// Adds a value; returns the placeholder.
    pub(crate) fn value(&mut self, value: impl ToSql + Sync + Send + 'static) -> String {
        self.values.push(Box::new(value));
        format!("${}", self.values.len())
    }

    /// Adds a condition served by an index; each `?` is the value.
    pub(crate) fn find(&mut self, condition: &str, value: impl ToSql + Sync + Send + 'static) {
        let placeholder = self.value(value);
        self.found.push(condition.replace('?', &placeholder));
    }

    /// The same without a value.
    pub(crate) fn find_plain(&mut self, condition: &str) {
        self.found.push(condition.to_owned());
    }

    /// Adds a condition checked row by row; each `?` is the value.
    pub(crate) fn fit(&mut self, condition: &str, value: impl ToSql + Sync + Send + 'static) {
        let placeholder = self.value(value);
        self.fits.push(condition.replace('?', &placeholder));
    }

    /// The same without a value.
    pub(super) fn fit_plain(&mut self, condition: &str) {
        self.fits.push(condition.to_owned());
    }

    /// Whether rows without a match may be read.
    pub(crate) fn are_selective(&self) -> bool {
        !self.fits.is_empty()
    }

    /// The conditions served by an index, joined.
    pub(crate) fn found(&self) -> String {
        joined(&self.found)
    }

    /// The conditions checked row by row, joined.
    pub(crate) fn fits(&self) -> String {
        joined(&self.fits)
    }

    /// The values in the order of the placeholders.
    pub(crate) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values
            .iter()
            .map(|value| &**value as &(dyn ToSql + Sync))
            .collect()
    }
}

fn joined(conditions: &[String]) -> String {
    if conditions.is_empty() {
        "true".to_owned()
    } else {
        conditions.join("\n      and ")
    }
}

/// The conditions of a filter about a row `j`, without conditions on the last outcome.
pub(crate) fn jobs(filter: &JobFilter) -> Conditions {
    let mut conditions = Conditions::default();
    let names = |names: Vec<&str>| {
        names
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<String>>()
    };
    let asks_for_deleted = filter
        .statuses
        .as_ref()
        .is_some_and(|statuses| statuses.contains(&JobStatus::Deleted))
        || filter
            .states
            .as_ref()
            .is_some_and(|states| states.contains(&JobState::Deleted));
    if !asks_for_deleted {
        // The wording of the partial indexes.
        conditions.find_plain("j.status <> 'DELETED'");
    }
    if let Some(statuses) = &filter.statuses {
        conditions.fit(
            "j.status = any(?::text[])",
            names(statuses.iter().map(|status| status.as_str()).collect()),
        );
    }
    if let Some(states) = &filter.states {
        if let Some(candidates) = job_states::candidates(states) {
            conditions.find_plain(&format!("j.id = any(array({candidates}))"));
        }
        conditions.fit(
            &job_states::is_in(),
            names(states.iter().map(|state| state.as_str()).collect()),
        );
    }
    if let Some(ids) = &filter.ids {
        conditions.find("j.id = any(?::uuid[])", ids.clone());
    }
    if let Some(namespaces) = &filter.namespaces {
        conditions.find("j.namespace = any(?::text[])", namespaces.clone());
    }
    if let Some(search) = filter
        .search
        .as_deref()
        .map(str::trim)
        .filter(|search| !search.is_empty())
    {
        match Uuid::try_parse(search) {
            // A text that is an id means the job, not a name.
            Ok(id) => conditions.find("j.id = ?", id),
            // The database lowers both sides: the locale of the database may differ from Rust's
            // rules.
            Err(_) => conditions.fit(
                "(strpos(lower(j.name), lower(?)) > 0
        or strpos(lower(j.description), lower(?)) > 0)",
                search.to_owned(),
            ),
        }
    }
    if let Some(types) = &filter.schedule_types {
        conditions.fit(
            "j.schedule_type = any(?::text[])",
            names(types.iter().map(|kind| kind.as_str()).collect()),
        );
    }
    if !filter.tags.is_empty() {
        conditions.find("j.tags @> ?::text[]", filter.tags.clone());
    }
    conditions
}
