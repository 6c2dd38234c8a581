//! Access: the role that each root field needs, and where.
//!
//! A single table has all root fields, and `guard` refuses requests by the table. A field without a
//! row is refused for every caller: a new field needs a decision. Unless a field is among the
//! fields of namespaces, the role must be in the whole cluster.

use crate::model::access::{Caller, Role};
use async_graphql::parser::types::OperationType;

/// A root field and its role.
type Right = (&'static str, Role);

/// The least role for each query.
pub const QUERIES: [Right; 30] = [
    ("jobs", Role::Viewer),
    ("job", Role::Viewer),
    ("jobLogs", Role::Viewer),
    ("jobVersions", Role::Viewer),
    ("previewSchedule", Role::Viewer),
    ("execution", Role::Viewer),
    ("nodes", Role::Monitor),
    ("cluster", Role::Viewer),
    ("calendars", Role::Viewer),
    ("calendar", Role::Viewer),
    ("blackouts", Role::Viewer),
    ("backfills", Role::Viewer),
    ("previewBackfill", Role::Viewer),
    ("jobsPage", Role::Viewer),
    ("executionsPage", Role::Viewer),
    ("pendingRuns", Role::Viewer),
    ("tags", Role::Viewer),
    ("searchExecutions", Role::Viewer),
    ("explainFireTime", Role::Viewer),
    ("overview", Role::Viewer),
    ("activity", Role::Viewer),
    ("upcoming", Role::Viewer),
    ("agenda", Role::Viewer),
    ("nodeLoad", Role::Monitor),
    ("me", Role::Monitor),
    ("users", Role::Admin),
    ("apiTokens", Role::Admin),
    ("auditLog", Role::Admin),
    ("secrets", Role::Editor),
    ("namespaces", Role::Viewer),
];

/// The least role for each mutation.
pub const MUTATIONS: [Right; 42] = [
    ("createJob", Role::Editor),
    ("createJobs", Role::Editor),
    ("updateJob", Role::Editor),
    ("pauseJob", Role::Operator),
    ("resumeJob", Role::Operator),
    ("deleteJob", Role::Editor),
    ("drainNode", Role::Admin),
    ("pauseCluster", Role::Admin),
    ("resumeCluster", Role::Admin),
    ("runJobNow", Role::Operator),
    ("enqueue", Role::Operator),
    ("enqueueMany", Role::Operator),
    ("cancelExecution", Role::Operator),
    ("cancelExecutions", Role::Operator),
    ("rerunExecution", Role::Operator),
    ("rerunExecutions", Role::Operator),
    ("pauseJobs", Role::Operator),
    ("resumeJobs", Role::Operator),
    ("deleteJobs", Role::Editor),
    ("runJobsNow", Role::Operator),
    ("createCalendar", Role::Editor),
    ("updateCalendar", Role::Editor),
    ("deleteCalendar", Role::Editor),
    ("createBlackout", Role::Editor),
    ("setBlackoutEnd", Role::Editor),
    ("endBlackout", Role::Editor),
    ("backfillJob", Role::Operator),
    ("cancelBackfill", Role::Operator),
    ("createUser", Role::Admin),
    ("updateUser", Role::Admin),
    ("deleteUser", Role::Admin),
    ("setPassword", Role::Admin),
    // One's own; the resolver demands ADMIN for those of other users.
    ("changePassword", Role::Viewer),
    ("signOutEverywhere", Role::Viewer),
    ("createApiToken", Role::Admin),
    ("revokeApiToken", Role::Admin),
    ("createSecret", Role::Admin),
    ("updateSecret", Role::Admin),
    ("deleteSecret", Role::Admin),
    ("createNamespace", Role::Admin),
    ("updateNamespace", Role::Admin),
    ("deleteNamespace", Role::Admin),
];

/// The least role for each subscription.
pub const SUBSCRIPTIONS: [Right; 5] = [
    ("executionUpdated", Role::Viewer),
    ("executionsChanged", Role::Viewer),
    ("jobUpdated", Role::Viewer),
    ("nodeUpdated", Role::Monitor),
    ("overviewUpdated", Role::Viewer),
];

/// Fields about what belongs to a namespace, or to the caller: a role in any namespace suffices to
/// call them, and they reach the namespaces in which the caller has it.
pub const OF_NAMESPACES: [&str; 64] = [
    "jobs",
    "job",
    "jobLogs",
    "jobVersions",
    "previewSchedule",
    "execution",
    "nodes",
    "cluster",
    "calendars",
    "calendar",
    "blackouts",
    "backfills",
    "previewBackfill",
    "jobsPage",
    "executionsPage",
    "pendingRuns",
    "tags",
    "searchExecutions",
    "explainFireTime",
    "overview",
    "upcoming",
    "agenda",
    "nodeLoad",
    "me",
    "namespaces",
    "secrets",
    "createSecret",
    "updateSecret",
    "deleteSecret",
    "createJob",
    "createJobs",
    "updateJob",
    "pauseJob",
    "resumeJob",
    "deleteJob",
    "runJobNow",
    "enqueue",
    "enqueueMany",
    "cancelExecution",
    "cancelExecutions",
    "rerunExecution",
    "rerunExecutions",
    "pauseJobs",
    "resumeJobs",
    "deleteJobs",
    "runJobsNow",
    "createCalendar",
    "updateCalendar",
    "deleteCalendar",
    "createBlackout",
    "setBlackoutEnd",
    "endBlackout",
    "backfillJob",
    "cancelBackfill",
    "changePassword",
    "signOutEverywhere",
    "executionUpdated",
    "executionsChanged",
    "jobUpdated",
    "nodeUpdated",
    "overviewUpdated",
    "__typename",
    "__schema",
    "__type",
];

/// The least role for `__typename`, `__schema` and `__type`: that of any caller.
const INTROSPECTION: Role = Role::Monitor;

/// Whether the roles of a caller suffice for a field that needs a role.
pub fn suffices(caller: &Caller, field: &str, needed: Role) -> bool {
    if OF_NAMESPACES.contains(&field) {
        caller.has_somewhere(needed)
    } else {
        caller.has_in_cluster(needed)
    }
}

/// The least role for a root field. `None`: the table has no such field.
pub fn needed(operation: OperationType, field: &str) -> Option<Role> {
    // GraphQL defines these fields on every root, without a row in the tables.
    if matches!(field, "__typename" | "__schema" | "__type") {
        return Some(INTROSPECTION);
    }
    let rights: &[Right] = match operation {
        OperationType::Query => &QUERIES,
        OperationType::Mutation => &MUTATIONS,
        OperationType::Subscription => &SUBSCRIPTIONS,
    };
    rights
        .iter()
        .find(|(named, _)| *named == field)
        .map(|(_, role)| *role)
}
