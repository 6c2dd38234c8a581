//! GraphQL: translates between the terms of the API and the commands; it decides nothing.
//!
//! Queries read the store; mutations send a command to the `JobManager` actor. The schema
//! (`schema.graphql`) extends the schema of the reference system. Enums derive
//! `async_graphql::Enum` where the model declares them, objects are implemented on the model's
//! types.

pub mod access;
mod accounts;
mod admission;
mod agenda;
mod allowance;
mod audit;
mod backfills;
mod budgets;
mod bulk;
mod context;
mod cost;
mod date_time;
mod enqueue;
mod enums;
mod errors;
mod exclusions;
mod executions;
mod explanations;
mod gathering;
mod guard;
mod inputs;
mod job_loader;
mod json;
mod lists;
mod load;
mod masks;
mod me;
mod mutations;
mod namespaces;
mod objects;
mod overview;
mod queries;
mod reach;
pub mod request;
mod search;
mod secrets;
mod subscriptions;
mod transports;
mod whole;

use crate::actors::job_manager::JobManager;
use crate::model::introspection::Introspection;
use crate::secrets::Keys;
use crate::store::Store;
use accounts::{AccountMutation, AccountQuery};
use actix::Addr;
use admission::AdmissionFactory;
use agenda::AgendaQuery;
pub use allowance::{ANSWER_BYTES_MAX, Allowance, LargeAnswers, too_large};
use async_graphql::{MergedObject, SchemaBuilder};
use audit::AuditQuery;
use backfills::{BackfillMutation, BackfillQuery};
pub use budgets::CallerBudgets;
use bulk::BulkMutation;
use enqueue::{EnqueueMutation, PendingRunQuery};
use exclusions::{ExclusionMutation, ExclusionQuery};
use executions::ExecutionMutation;
use explanations::ExplanationQuery;
pub use guard::NeededRole;
use guard::Rights;
use ipnet::IpNet;
use lists::ListQuery;
pub use lists::{after_key, cursor};
use load::LoadQuery;
pub use masks::Masks;
use me::MeQuery;
use mutations::Mutation;
use namespaces::{NamespaceMutation, NamespaceQuery};
use objects::nodes::WebhookNetworks;
use overview::OverviewQuery;
use queries::Query;
use reach::WholeStore;
use search::SearchQuery;
use secrets::{SecretMutation, SecretQuery};
pub use subscriptions::Subscriber;
use subscriptions::{Feeds, Subscription};
use transports::KindsOfTransports;
pub use transports::{OnlyByPost, Transport};

/// All queries.
// The groups save stack: a fragment takes a frame for each type of the row around. Each group is a
// frame for the groups after, too: small groups come first.
#[derive(MergedObject, Default)]
#[graphql(name = "Query")]
pub struct Queries(AccessQueries, JobQueries, ExecutionQueries, ClusterQueries);

/// Queries about jobs and their schedules.
#[derive(MergedObject, Default)]
pub struct JobQueries(Query, ExclusionQuery, BackfillQuery);

/// Queries about executions, their lists and explanations.
#[derive(MergedObject, Default)]
pub struct ExecutionQueries(ListQuery, SearchQuery, ExplanationQuery, PendingRunQuery);

/// Queries about the cluster.
#[derive(MergedObject, Default)]
pub struct ClusterQueries(OverviewQuery, AgendaQuery, LoadQuery);

/// Queries about callers, their rights and what they did.
#[derive(MergedObject, Default)]
pub struct AccessQueries(
    AccountQuery,
    AuditQuery,
    MeQuery,
    NamespaceQuery,
    SecretQuery,
);

/// All mutations of the API.
#[derive(MergedObject, Default)]
#[graphql(name = "Mutation")]
pub struct Mutations(
    Mutation,
    ExecutionMutation,
    EnqueueMutation,
    BulkMutation,
    ExclusionMutation,
    BackfillMutation,
    AccountMutation,
    SecretMutation,
    NamespaceMutation,
);

/// The schema with its resolvers.
pub type Schema = async_graphql::Schema<Queries, Mutations, Subscription>;

/// Deepest recursion of the parser and of fragments; 16 was too little for GraphiQL.
const RECURSION_MAX: usize = 24;
/// Most directives on one field.
const DIRECTIVES_MAX: usize = 5;

/// The settings of the API of a node.
pub struct ApiSettings {
    /// Whether callers may read the schema.
    pub introspection: Introspection,
    /// Private networks that webhooks may reach, display only.
    pub webhook_networks: Vec<IpNet>,
    /// Names whose values are not shown.
    pub masks: Masks,
    /// Cost that the requests of a caller may have.
    pub caller_budgets: CallerBudgets,
    /// Encrypt secrets.
    pub secret_keys: Keys,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            introspection: Introspection::On,
            webhook_networks: Vec::new(),
            masks: Masks::default(),
            caller_budgets: CallerBudgets::default(),
            secret_keys: Keys::default(),
        }
    }
}

/// The schema of a node.
pub fn schema(store: Store, jobs: Addr<JobManager>, settings: ApiSettings) -> Schema {
    let builder = match settings.introspection {
        Introspection::On => builder(),
        // The suggestions for misspelt names would tell the schema, too.
        Introspection::Off => builder().disable_introspection().disable_suggestions(),
    };
    builder
        .data(LargeAnswers::default())
        .data(Feeds::new(&store))
        .data(WholeStore::new(store))
        .data(jobs)
        .data(WebhookNetworks(settings.webhook_networks))
        .data(settings.masks)
        .data(settings.caller_budgets)
        .data(settings.secret_keys)
        .finish()
}

/// The schema in SDL, as committed in `schema.graphql`.
pub fn sdl() -> String {
    builder().finish().sdl()
}

/// The schema without a node, for its text and its validation.
pub fn builder() -> SchemaBuilder<Queries, Mutations, Subscription> {
    async_graphql::Schema::build(Queries::default(), Mutations::default(), Subscription)
        // The admission works before the parser: the two extensions after it read bounded
        // documents.
        .extension(AdmissionFactory)
        .limit_recursive_depth(RECURSION_MAX)
        .limit_directives(DIRECTIVES_MAX)
        .extension(KindsOfTransports)
        .extension(Rights)
}
