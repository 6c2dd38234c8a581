//! Admission: what a request must be before a recursive parser, the validation or a resolver sees
//! it.
//!
//! Order: the text is lexed, which bounds its tokens and nesting; it is parsed once; its fragments
//! are expanded by counting, which bounds what validation and execution walk through; of several
//! operations the one that is executed is kept. The walks here use no recursion, so that their own
//! stack does not depend on the request. POST and sockets pass through the same extension.

mod arguments;
mod conflicts;
mod expansion;
mod lexer;
mod operations;
mod variables;

use super::allowance::{Allowance, LargeAnswers};
use super::job_loader::JobLoader;
use super::queries::LIST_MAX;
use super::{cost, errors};
use crate::store::Store;
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

/// Fields inside fields at most: GraphiQL's own question about the schema just fits.
const DEPTH_MAX: usize = 16;
/// Errors of one answer at most.
const ERRORS_MAX: usize = 20;
/// Bytes of one error's message at most.
const MESSAGE_BYTES_MAX: usize = 500;

/// Puts [`Admission`] before each request.
pub struct AdmissionFactory;

/// Judges one request, and bounds the errors of its answer.
#[derive(Default)]
struct Admission {
    /// What the request may take, once it is there.
    allowance: Arc<OnceLock<Arc<Allowance>>>,
}

/// Why a request is not executed.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    message: String,
    at: Option<Pos>,
}

impl Refusal {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
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
    fn from(Refusal { message, at }: Refusal) -> Self {
        Self::new(message, at)
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
        // Who sends the answer has one already, and keeps it until then.
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
        if let Ok(store) = ctx.data::<Store>() {
            request
                .data
                .insert(JobLoader::gathering(store.clone(), allowance.clone()));
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
        // A list's items are resolved too, before the list.
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
        let jobs = if found.complexity > cost::COST_MAX && of_each_job > 0 {
            self.jobs(ctx).await
        } else {
            LIST_MAX as usize
        };
        affordable(&found, of_each_job, jobs).map_err(|refusal| vec![refusal.into()])?;
        Ok(found)
    }
}

impl Admission {
    /// How many jobs `jobs` counts with: those that there are, or the most if that is not known.
    async fn jobs(&self, ctx: &ExtensionContext<'_>) -> usize {
        let count = async {
            let (store, allowance) = (ctx.data_opt::<Store>()?, self.allowance.get()?);
            allowance
                .store(store)
                .await
                .ok()?
                .jobs_up_to(LIST_MAX)
                .await
                .ok()
        };
        count.await.unwrap_or(LIST_MAX as usize)
    }

    fn judged(&self, response: Response) -> Response {
        match self.allowance.get() {
            Some(allowance) => allowance.judged(response),
            None => response,
        }
    }
}

/// Gives a request its parsed query, or says why it is not executed.
fn admit(mut request: Request, types: &BTreeMap<String, MetaType>) -> ServerResult<Request> {
    if request.query.is_empty() && request.extensions.contains_key("persistedQuery") {
        return Err(errors::persisted_query_not_supported());
    }
    if request.query.trim().is_empty() {
        return Err(Refusal::new("the request has no `query`").into());
    }
    lexer::check(&request.query)?;
    let weights = variables::weights(&request.variables)?;
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
    if let Some(executed) = executed {
        request.set_parsed_query(executed);
    }
    request.variables = variables;
    Ok(request)
}

/// The parser's error without the drawing that it makes of the query's line; the answer says where
/// it is.
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

/// Refuses a query that asks for too much of a cluster with that many jobs.
fn affordable(found: &ValidationResult, of_each_job: usize, jobs: usize) -> Result<(), Refusal> {
    if found.depth > DEPTH_MAX {
        let message = format!(
            "the query has fields {} levels deep: at most {DEPTH_MAX}",
            found.depth
        );
        return Err(Refusal::new(message));
    }
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
            "the query costs {cost} fields of rows, at most {} are allowed: a list counts with all the rows that it may \
             have; {advice}, for fewer lists inside lists, or for fewer fields",
            cost::COST_MAX
        );
        return Err(Refusal::new(message));
    }
    Ok(())
}

/// Logs what failed inside, gives the parser's and the validation's errors a code too, and cuts
/// their echo of the query.
fn bounded(mut response: Response) -> Response {
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

/// What the validation says before the name of an argument or a variable.
const BEFORE_FIELDS: [&str; 3] = [
    "Invalid value for argument \"",
    "Unknown argument \"",
    "Invalid default value for argument: \"",
];

/// What it says between an argument and the field of it that is missing or unknown.
const BEFORE_INNER_FIELDS: [&str; 2] = [", field \"", ", unknown field \""];

/// The field that an error of the validation is about (in the form that `errors` describes), by its
/// message: `Invalid value for argument "inputs.37.name", expected type "String"`, or `Field "job"
/// argument "id" of type "ID!" is required but not provided`.
fn argument(message: &str) -> Option<String> {
    let missing = || {
        Some(
            message
                .strip_prefix("Field \"")?
                .split_once("\" argument \"")?
                .1,
        )
    };
    let rest = BEFORE_FIELDS
        .iter()
        .find_map(|before| message.strip_prefix(before))
        .or_else(missing)?;
    let (argument, rest) = rest.split_once('"')?;
    let inner = BEFORE_INNER_FIELDS
        .iter()
        .find_map(|before| rest.strip_prefix(before)?.split_once('"'));
    let place = inner.map_or_else(
        || argument.to_owned(),
        |(field, _)| format!("{argument}.{field}"),
    );
    Some(
        place
            .strip_prefix("input.")
            .map(str::to_owned)
            .unwrap_or(place),
    )
}
