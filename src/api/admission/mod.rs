//! Admission: the checks of a request before a recursive parser, the validation or a resolver sees
//! it.
//!
//! In order: the lexer bounds tokens and nesting; the query is parsed once; the expansion of its
//! fragments is counted, which bounds the work of validation and execution; all operations but the
//! executed one are removed, and so are arguments whose variable has no value. No walk here uses recursion, so that its stack does not depend on the
//! request. POST and sockets pass through the same extension.

mod absent;
mod arguments;
mod conflicts;
mod expansion;
mod lexer;
mod operations;
mod variables;

use super::allowance::{Allowance, LargeAnswers};
use super::budgets::CallerBudgets;
use super::cost::LIST_MAX;
use super::job_loader::JobLoader;
use super::reach::WholeStore;
use super::{cost, errors};
use crate::model::access::Caller;
use async_graphql::async_trait::async_trait;
use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextExecute, NextPrepareRequest, NextRequest,
    NextResolve, NextSubscribe, NextValidation, ResolveInfo,
};
use async_graphql::registry::MetaType;
use async_graphql::{
    Pos, QueryPathSegment, Request, Response, ServerError, ServerResult, ValidationResult, Value,
};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use std::any::TypeId;
use std::collections::BTreeMap;
use std::mem::take;
use std::sync::{Arc, OnceLock};

/// Most levels of fields: the introspection query of GraphiQL just fits.
const DEPTH_MAX: usize = 16;
/// Most errors of one answer.
const ERRORS_MAX: usize = 20;
/// Most bytes of the message of an error.
const MESSAGE_BYTES_MAX: usize = 500;

/// Puts an [`Admission`] before each request.
pub struct AdmissionFactory;

/// Checks one request, and bounds the errors of its answer.
#[derive(Default)]
struct Admission {
    /// The allowance of the request, once it is known.
    allowance: Arc<OnceLock<Arc<Allowance>>>,
    /// Whether the request is a query, once it is known.
    is_query: OnceLock<bool>,
}

/// A refusal of a request.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    message: String,
    field: Option<String>,
    at: Option<Pos>,
}

impl Refusal {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            field: None,
            at: None,
        }
    }

    /// Refuses one field, in the words of the model.
    fn of_field(field: &str, reason: &str) -> Self {
        Self {
            message: format!("{field}: {reason}"),
            field: Some(field.to_owned()),
            at: None,
        }
    }

    fn at(self, pos: Pos) -> Self {
        Self {
            at: Some(pos),
            ..self
        }
    }
}

impl From<Refusal> for ServerError {
    fn from(refusal: Refusal) -> Self {
        let Some(field) = refusal.field else {
            return Self::new(refusal.message, refusal.at);
        };
        let error = errors::bad_input(&field, refusal.message);
        error.into_server_error(refusal.at.unwrap_or_default())
    }
}

impl ExtensionFactory for AdmissionFactory {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Admission::default())
    }
}

#[async_trait]
impl Extension for Admission {
    async fn request(&self, ctx: &ExtensionContext<'_>, next: NextRequest<'_>) -> Response {
        bounded(self.judged(next.run(ctx).await))
    }

    fn subscribe<'s>(
        &self,
        ctx: &ExtensionContext<'_>,
        stream: BoxStream<'s, Response>,
        next: NextSubscribe<'_>,
    ) -> BoxStream<'s, Response> {
        let allowance = self.allowance.clone();
        let event = move |response| match allowance.get() {
            Some(allowance) => {
                let response = bounded(allowance.judged(response));
                allowance.next_event();
                response
            }
            None => bounded(response),
        };
        next.run(ctx, stream).map(event).boxed()
    }

    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        let mut request = admit(request, &ctx.schema_env.registry.types)?;
        let is_query = operations::is_query(request.parsed_query()?);
        // A request is prepared once.
        self.is_query.get_or_init(|| is_query);
        // POST has an allowance already, and keeps it until the answer is sent.
        let given = request
            .data
            .get(&TypeId::of::<Arc<Allowance>>())
            .and_then(|data| data.downcast_ref());
        let allowance = match given.cloned() {
            Some(allowance) => allowance,
            None => ctx
                .data::<LargeAnswers>()
                .map_err(|error| error.into_server_error(Pos::default()))?
                .allowance(),
        };
        let caller = request
            .data
            .get(&TypeId::of::<Arc<Caller>>())
            .and_then(|data| data.downcast_ref::<Arc<Caller>>());
        // A request without a caller is refused later.
        if let (Ok(store), Some(caller)) = (ctx.data::<WholeStore>(), caller) {
            let store = store.of(caller);
            let loader = JobLoader::gathering(store, allowance.clone());
            request.data.insert(loader);
        }
        request.data.insert(allowance.clone());
        drop(self.allowance.set(allowance));
        next.run(ctx, request).await
    }

    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        if let Some(allowance) = self.allowance.get() {
            allowance.begin_execution();
        }
        next.run(ctx, operation_name).await
    }

    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let is_leaf = info.field.selection_set.node.items.is_empty();
        // The resolver runs for the items of a list first, then for the list itself.
        let is_field = matches!(info.path_node.segment, QueryPathSegment::Name(_));
        let pos = info.field.name.pos;
        let value = next.run(ctx, info).await?;
        if let (true, Some(value), Some(allowance)) =
            (is_leaf && is_field, &value, self.allowance.get())
        {
            allowance
                .count(value)
                .await
                .map_err(|error| error.into_server_error(pos))?;
        }
        Ok(value)
    }

    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let (found, of_each_job) = cost::with_cost_of_each_job(next.run(ctx)).await;
        let found = found?;
        // The count is a statement: only a query that would be refused pays for it.
        let jobs = if found.complexity > cost::COST_MAX && of_each_job > 0 {
            self.jobs(ctx).await
        } else {
            LIST_MAX as usize
        };
        let cost = affordable(&found, of_each_job, jobs).map_err(|refusal| vec![refusal.into()])?;
        if let (Some(budgets), Some(caller)) = (
            ctx.data_opt::<CallerBudgets>(),
            ctx.data_opt::<Arc<Caller>>(),
        ) {
            budgets.spend(caller, cost).map_err(|overspent| {
                vec![errors::overspent(&overspent).into_server_error(Pos::default())]
            })?;
        }
        self.wait_until_affordable(cost)
            .await
            .map_err(|refusal| vec![refusal])?;
        Ok(found)
    }
}

impl Admission {
    /// Number of jobs for the cost of `jobs`: the present number, or the maximum if the database
    /// does not answer.
    async fn jobs(&self, ctx: &ExtensionContext<'_>) -> usize {
        let count = async {
            let (store, allowance) = (ctx.data_opt::<WholeStore>()?, self.allowance.get()?);
            let store = store.of(ctx.data_opt::<Arc<Caller>>()?);
            allowance
                .store(&store)
                .await
                .ok()?
                .jobs_up_to(LIST_MAX)
                .await
                .ok()
        };
        count.await.unwrap_or(LIST_MAX as usize)
    }

    /// Makes an expensive query wait for a place, before its execution.
    ///
    /// async-graphql has the futures of all fields in memory at once, however short the answer
    /// becomes. A wait within the execution would keep them. Commands do not wait: a client that
    /// reads its answer slowly must not delay them. Nor do subscriptions: each event is a read of
    /// its own.
    async fn wait_until_affordable(&self, cost: usize) -> ServerResult<()> {
        let is_query = self.is_query.get().is_some_and(|is_query| *is_query);
        if let (true, true, Some(allowance)) =
            (is_query, cost > cost::EXPENSIVE, self.allowance.get())
        {
            let place = allowance.take_place().await;
            place.map_err(|error| error.into_server_error(Pos::default()))?;
        }
        Ok(())
    }

    fn judged(&self, response: Response) -> Response {
        match self.allowance.get() {
            Some(allowance) => allowance.judged(response),
            None => response,
        }
    }
}

/// Parses a request and checks it.
fn admit(mut request: Request, types: &BTreeMap<String, MetaType>) -> ServerResult<Request> {
    if request.query.is_empty() && request.extensions.contains_key("persistedQuery") {
        return Err(errors::persisted_query_not_supported());
    }
    if request.query.trim().is_empty() {
        return Err(Refusal::new("the request has no `query`").into());
    }
    // First: the parser is recursive, and its stack depends on the nesting.
    lexer::check(&request.query)?;
    let weights = variables::weights(&request.variables)?;
    // Taken out, because the document below is borrowed from the request.
    let (variables, operation) = (take(&mut request.variables), request.operation_name.clone());
    let document = request.parsed_query().map_err(readable)?;
    variables::check_types(document, |name| types.contains_key(name))?;
    expansion::check(document, &weights)?;
    conflicts::check(document)?;
    let executed = operations::only_executed(document, operation.as_deref())?;
    arguments::check(
        executed.as_ref().unwrap_or(document),
        operation.as_deref(),
        &variables,
        types,
    )?;
    let with_values = absent::without_absent(executed.as_ref().unwrap_or(document), &variables);
    if let Some(executed) = with_values.or(executed) {
        request.set_parsed_query(executed);
    }
    request.variables = variables;
    Ok(request)
}

/// The error of the parser without its drawing of the query's line; the answer has the position.
fn readable(error: ServerError) -> ServerError {
    let expected = error
        .message
        .rsplit_once(" = ")
        .map(|(_, expected)| expected.trim().replace('_', " "));
    match expected {
        Some(expected) => ServerError {
            message: format!("the query cannot be read: {expected}"),
            ..error
        },
        None => error,
    }
}

/// The cost of a query. Refuses one that costs too much in a cluster with this number of jobs.
fn affordable(found: &ValidationResult, of_each_job: usize, jobs: usize) -> Result<usize, Refusal> {
    if found.depth > DEPTH_MAX {
        let message = format!(
            "the query has fields {} levels deep: at most {DEPTH_MAX}",
            found.depth
        );
        return Err(Refusal::new(message));
    }
    // The validation counted each `jobs` with the maximum: the jobs that do not exist cost nothing.
    let missing = (LIST_MAX as usize).saturating_sub(jobs);
    let cost = found
        .complexity
        .saturating_sub(missing.saturating_mul(of_each_job));
    if cost > cost::COST_MAX {
        let all_jobs = format!(
            "`jobs` counts with {jobs} jobs, so ask for a page of them (`jobsPage(first: …)`)"
        );
        let advice = if of_each_job > 0 {
            &all_jobs
        } else {
            "so ask for pages of fewer rows (`first`)"
        };
        let message = format!(
            "the query costs {cost} fields of rows, at most {} are allowed: a list counts \
             with all the rows that it may have; {advice}, for fewer lists inside lists, or for \
             fewer fields",
            cost::COST_MAX
        );
        return Err(Refusal::new(message));
    }
    Ok(cost)
}

/// Logs internal errors, gives the errors of the parser and the validation a code, and cuts their
/// quotes of the query.
fn bounded(mut response: Response) -> Response {
    // Before the list is cut: an internal error may be the last.
    errors::log(&response.errors);
    response.errors.truncate(ERRORS_MAX);
    for error in &mut response.errors {
        error
            .message
            .truncate(error.message.floor_char_boundary(MESSAGE_BYTES_MAX));
        if error.extensions.is_none() {
            let field = argument(&error.message);
            let extensions = error.extensions.get_or_insert_default();
            extensions.set("code", "BAD_USER_INPUT");
            if let Some(field) = field {
                extensions.set("field", field);
            }
        }
    }
    response
}

/// The texts of the validation before the name of an argument or a variable.
const BEFORE_FIELDS: [&str; 3] = [
    "Invalid value for argument \"",
    "Unknown argument \"",
    "Invalid default value for argument: \"",
];

/// The texts of the validation between an argument and its missing or unknown field.
const BEFORE_INNER_FIELDS: [&str; 2] = [", field \"", ", unknown field \""];

/// The field of an error of the validation (in the form of `errors`), taken from the message:
/// `Invalid value for argument "inputs.37.name", expected type "String"`, or `Field "job" argument
/// "id" of type "ID!" is required but not provided`.
fn argument(message: &str) -> Option<String> {
    let bad = BEFORE_FIELDS
        .iter()
        .find_map(|before| message.strip_prefix(before));
    let rest = if let Some(rest) = bad {
        rest
    } else {
        let (_, missing) = message
            .strip_prefix("Field \"")?
            .split_once("\" argument \"")?;
        missing
    };
    let (argument, rest) = rest.split_once('"')?;
    let inner = BEFORE_INNER_FIELDS
        .iter()
        .find_map(|before| rest.strip_prefix(before)?.split_once('"'));
    let place = inner.map_or_else(
        || argument.to_owned(),
        |(field, _)| format!("{argument}.{field}"),
    );
    Some(errors::field(&place).to_owned())
}
