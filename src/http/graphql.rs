//! The GraphQL endpoint.

use super::accept::wants_page;
use super::authentication::Authenticated;
use super::bodies::{BODY_BYTES_MAX, Bodies, NoBody};
use super::{REFERENCE_PATH, answer, dashboard, origins};
use crate::api::request::GraphqlRequest;
use crate::api::{LargeAnswers, Schema, Transport};
use crate::traces::ApiCall;
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, LOCATION};
use actix_web::{HttpRequest, HttpResponse, web};
use async_graphql::Request;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

/// Longest time for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest query of an address, in bytes: as long as proxies forward, and as a small body.
const ADDRESS_BYTES_MAX: usize = 16 * 1024;

/// Executes one request. Batches are refused: a mutation counts once.
pub async fn post(
    request: HttpRequest,
    caller: Authenticated,
    schema: web::Data<Schema>,
    bodies: web::Data<Bodies>,
    payload: web::Payload,
) -> HttpResponse {
    if origins::is_foreign_page(&request) {
        return refuse_foreign();
    }
    if !is_json(&request) {
        return refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send the request as application/json: other content types can be sent by pages of \
             other sites",
        );
    }
    let body = match bodies.read(&request, payload).await {
        Ok(body) => body,
        Err(reason) => return refuse_body(&reason),
    };
    match GraphqlRequest::read(&body.bytes) {
        Ok(GraphqlRequest(query)) => execute(&request, &schema, caller.put_into(query)).await,
        Err(error) => answer::malformed(
            &request,
            "the body is not one GraphQL request as JSON",
            &error,
        ),
    }
}

/// Executes the query of an address. Mutations need `POST`: a link, an image or a prefetch sends
/// `GET`. The navigation of a browser, as to the playground of the reference system, is redirected
/// to GraphiQL.
pub async fn get(
    request: HttpRequest,
    caller: Authenticated,
    schema: web::Data<Schema>,
) -> HttpResponse {
    let parameters = request.query_string();
    if parameters.is_empty() && wants_page(&request) && dashboard::has_playground(&request) {
        let up = if request.path().ends_with(REFERENCE_PATH) {
            "../"
        } else {
            ""
        };
        // Relative, because a proxy may add a prefix to the path.
        return HttpResponse::Found()
            .insert_header((LOCATION, format!("{up}graphiql")))
            .finish();
    }
    if origins::is_foreign_page(&request) {
        return refuse_foreign();
    }
    if parameters.len() > ADDRESS_BYTES_MAX {
        return refuse(
            StatusCode::URI_TOO_LONG,
            &format!(
                "the query of the address must be at most {ADDRESS_BYTES_MAX} bytes: send longer \
                 ones by POST"
            ),
        );
    }
    match GraphqlRequest::of_address(parameters) {
        Ok(GraphqlRequest(query)) => {
            let transport = Transport::Get(query.operation_name.clone());
            let query = caller.put_into(query.data(transport));
            execute(&request, &schema, query).await
        }
        Err(error) => answer::malformed(&request, "the address holds no GraphQL request", &error),
    }
}

/// Executes a request within its time limit and its allowance.
async fn execute(request: &HttpRequest, schema: &Schema, mut query: Request) -> HttpResponse {
    let traceparent = request
        .headers()
        .get("traceparent")
        .and_then(|value| value.to_str().ok());
    let (call, operation) = (
        ApiCall::begin(traceparent).map(Arc::new),
        query.operation_name.clone(),
    );
    if let Some(call) = &call {
        query = query.data(call.clone());
    }
    let allowance = schema.data::<LargeAnswers>().map(LargeAnswers::allowance);
    if let Some(allowance) = &allowance {
        query = query.data(allowance.clone());
    }
    // At the time limit the request is dropped; a command that the actor has started completes.
    let executed = tokio::time::timeout(REQUEST_TIMEOUT, schema.execute(query)).await;
    if let Some(call) = call {
        let refused =
            |response: &async_graphql::Response| Some(response.errors.first()?.message.clone());
        call.end(
            operation,
            executed
                .as_ref()
                .map_or_else(|_| Some("it took too long".to_owned()), refused),
        );
    }
    match executed {
        Ok(response) => answer::of(request, response, allowance).await,
        Err(_) => refuse(StatusCode::GATEWAY_TIMEOUT, "the request took too long"),
    }
}

/// The answer to all other methods.
pub async fn other_method() -> HttpResponse {
    let message = "send GraphQL requests by POST, as application/json; queries also by GET";
    let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, message);
    response.headers_mut().insert(
        ALLOW,
        actix_web::http::header::HeaderValue::from_static("GET, HEAD, POST"),
    );
    response
}

pub(super) fn refuse_foreign() -> HttpResponse {
    refuse(
        StatusCode::FORBIDDEN,
        "requests are sent by this node's own pages, or by programs without Origin and \
         Sec-Fetch-Site",
    )
}

/// `application/json`, with or without parameters.
pub(super) fn is_json(request: &HttpRequest) -> bool {
    let content_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    content_type
        .split(';')
        .next()
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// The answer to a request whose body was not read.
fn refuse_body(reason: &NoBody) -> HttpResponse {
    use NoBody::{Broken, Busy, TooLarge};
    let error = match reason {
        TooLarge => {
            return refuse(
                StatusCode::PAYLOAD_TOO_LARGE,
                &format!("the request must be at most {BODY_BYTES_MAX} bytes"),
            );
        }
        Busy => {
            return refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "this node works on other large requests: try again in a few seconds",
            );
        }
        Broken(error) => error.as_error(),
    };
    match error {
        // The time limit of a body arrives as this error (`exchange`).
        Some(PayloadError::Io(error)) if error.kind() == ErrorKind::TimedOut => refuse(
            StatusCode::REQUEST_TIMEOUT,
            "the body of the request did not come in time",
        ),
        _ => refuse(StatusCode::BAD_REQUEST, "the body of the request broke off"),
    }
}

/// An error of the transport in the form of GraphQL, so that a client reads all errors in one way.
pub(super) fn refuse(status: StatusCode, message: &str) -> HttpResponse {
    let code = match status {
        StatusCode::GATEWAY_TIMEOUT
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::TOO_MANY_REQUESTS => "UNAVAILABLE",
        _ => "BAD_USER_INPUT",
    };
    HttpResponse::build(status).json(answer::errors(message, code))
}
