//! The calls of workers: processes outside that take executions over HTTP.
//!
//! | call | does |
//! |---|---|
//! | `POST /workers` | joins under a fresh id |
//! | `POST /workers/{id}/poll` | leases what is due of the offered handlers; waits for it |
//! | `POST /workers/{id}/heartbeat` | renews; says what to cancel and what is lost |
//! | `POST /workers/{id}/settle` | reports how attempts ended |
//! | `POST /workers/{id}/release` | reclaims what did not start |
//! | `DELETE /workers/{id}` | leaves |
//! | `GET /workers` | lists the living workers |
//! | `GET /workers/openapi.json` | describes these calls; a test compares |
//!
//! Each call may be sent again when its answer was lost, to any node.

mod bodies;
mod gateway;
mod problem;

pub use gateway::Gateway;

use self::bodies::{Heartbeat, Join, Poll, Release, Settle, read};
use self::gateway::LeasedAttempt;
use self::problem::{Problem, no_namespace};
use super::authentication::Authentication;
use super::bodies::Bodies;
use super::origins;
use crate::model::access::{Caller, Role};
use crate::model::namespace::Reach;
use crate::model::payload::Payload as JsonPayload;
use crate::model::rfc3339;
use crate::store::protocol::workers::{HeldByWorker, WorkerKey, WorkerRecord};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use chrono::TimeDelta;
use futures_util::future::LocalBoxFuture;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    let workers = web::resource("/workers")
        .route(web::post().to(join))
        .route(web::get().to(list))
        .default_service(web::to(other_method));
    config.route("/workers/openapi.json", web::get().to(describe));
    let worker = web::resource("/workers/{id}")
        .route(web::delete().to(leave))
        .default_service(web::to(other_method));
    config.service(workers).service(worker);
    let calls = [
        ("poll", web::post().to(poll)),
        ("heartbeat", web::post().to(heartbeat)),
        ("settle", web::post().to(settle)),
        ("release", web::post().to(release)),
    ];
    for (name, route) in calls {
        let call = web::resource(format!("/workers/{{id}}/{name}"))
            .route(route)
            .default_service(web::to(other_method));
        config.service(call);
    }
}

/// The caller of a call, which has at least OPERATOR somewhere.
pub struct WorkerCaller(Arc<Caller>);

impl FromRequest for WorkerCaller {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let Some(authentication) = request.app_data::<web::Data<Authentication>>() else {
                return Err(Problem::unavailable("this node knows no caller"));
            };
            let caller = authentication.identify(&request).await?.caller;
            if origins::is_foreign_page(&request) {
                return Err(Problem::forbidden("a page of another site is no worker"));
            }
            if !caller.has_somewhere(Role::Operator) {
                let detail = format!(
                    "needs the role OPERATOR, in the whole cluster or in a namespace; you have {}",
                    caller.roles_in_words()
                );
                return Err(Problem::forbidden(detail));
            }
            Ok(Self(caller))
        })
    }
}

impl WorkerCaller {
    /// The worker of a path, which must be one of this caller.
    fn worker(&self, id: &str) -> Result<WorkerKey, Problem> {
        let id = Uuid::parse_str(id).map_err(|_| {
            Problem::new(
                StatusCode::NOT_FOUND,
                "UNKNOWN_WORKER",
                "the path has no id of a worker",
            )
        })?;
        Ok(WorkerKey {
            id,
            caller: self.key(),
        })
    }

    /// The same for all requests with one credential.
    fn key(&self) -> String {
        match self.0.id {
            Some(id) => format!("{} {id}", self.0.kind),
            None => self.0.kind.to_string(),
        }
    }
}

async fn join(
    request: HttpRequest,
    caller: WorkerCaller,
    gateway: web::Data<Gateway>,
    bodies: web::Data<Bodies>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let profile = read::<Join>(&request, &bodies, payload)
        .await?
        .into_profile()?;
    let namespace = &profile.namespace;
    if !caller.0.reach(Role::Operator).includes(namespace) {
        if !caller.0.reach(Role::Viewer).includes(namespace) {
            return Err(no_namespace());
        }
        let detail = format!(
            "needs the role OPERATOR in {namespace}; you have {}",
            caller.0.roles_in_words()
        );
        return Err(Problem::forbidden(detail));
    }
    let id = gateway
        .store()
        .join_worker(&profile, &caller.key())
        .await??;
    tracing::info!(worker.id = %id, worker.name = profile.name.as_str(), caller = caller.0.label(), "a worker has joined");
    Ok(HttpResponse::Created().json(json!({
        "id": id,
        "ttlSeconds": profile.ttl_seconds,
        "namespace": profile.namespace,
        "handlers": profile.handlers,
        "slots": profile.slots,
    })))
}

async fn poll(
    request: HttpRequest,
    caller: WorkerCaller,
    gateway: web::Data<Gateway>,
    bodies: web::Data<Bodies>,
    (id, payload): (web::Path<String>, web::Payload),
) -> Result<HttpResponse, Problem> {
    let worker = caller.worker(&id)?;
    let poll = read::<Poll>(&request, &bodies, payload).await?;
    let answer = gateway.poll(&worker, &poll.into_request()?).await?;
    let executions: Vec<Shown<'_>> = answer.attempts.iter().map(Shown::of).collect();
    Ok(HttpResponse::Ok().json(Polled {
        draining: answer.is_draining,
        executions,
    }))
}

async fn heartbeat(
    request: HttpRequest,
    caller: WorkerCaller,
    gateway: web::Data<Gateway>,
    bodies: web::Data<Bodies>,
    (id, payload): (web::Path<String>, web::Payload),
) -> Result<HttpResponse, Problem> {
    let worker = caller.worker(&id)?;
    let heartbeat = read::<Heartbeat>(&request, &bodies, payload).await?;
    let (holding, progress) = heartbeat.into_parts()?;
    let renewal = gateway
        .store()
        .renew_worker(&worker, &holding, &progress)
        .await??;
    Ok(HttpResponse::Ok().json(json!({
        "draining": renewal.is_draining,
        "cancel": shown(&renewal.cancelled),
        "lost": shown(&renewal.lost),
    })))
}

async fn settle(
    request: HttpRequest,
    caller: WorkerCaller,
    gateway: web::Data<Gateway>,
    bodies: web::Data<Bodies>,
    (id, payload): (web::Path<String>, web::Payload),
) -> Result<HttpResponse, Problem> {
    let worker = caller.worker(&id)?;
    let results = read::<Settle>(&request, &bodies, payload)
        .await?
        .into_results()?;
    let codes = gateway
        .store()
        .settle_of_worker(&worker, &results)
        .await??;
    // A retry, or what has waited for an end, may be due before the next look.
    gateway.wake();
    let answered = results.iter().zip(codes).map(|(result, code)| {
        json!({
            "id": result.held.id,
            "attempt": result.held.attempt,
            "code": code.as_str(),
        })
    });
    Ok(HttpResponse::Ok().json(json!({"results": answered.collect::<Vec<_>>()})))
}

async fn release(
    request: HttpRequest,
    caller: WorkerCaller,
    gateway: web::Data<Gateway>,
    bodies: web::Data<Bodies>,
    (id, payload): (web::Path<String>, web::Payload),
) -> Result<HttpResponse, Problem> {
    let worker = caller.worker(&id)?;
    let released = read::<Release>(&request, &bodies, payload)
        .await?
        .into_attempts()?;
    let count = gateway
        .store()
        .release_by_worker(&worker, &released)
        .await??;
    gateway.wake();
    Ok(HttpResponse::Ok().json(json!({"released": count})))
}

async fn leave(
    caller: WorkerCaller,
    gateway: web::Data<Gateway>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let worker = caller.worker(&id)?;
    let report = gateway.store().leave_worker(&worker).await??;
    gateway.wake();
    let (rerun, ended) = (report.rerun.len(), report.ended.len());
    Ok(HttpResponse::Ok().json(json!({"rerun": rerun, "ended": ended})))
}

async fn list(caller: WorkerCaller, gateway: web::Data<Gateway>) -> Result<HttpResponse, Problem> {
    let reach = caller.0.reach(Role::Viewer);
    let namespaces = match &reach {
        Reach::All => None,
        Reach::Namespaces(namespaces) => Some(&**namespaces),
    };
    let workers = gateway.store().workers(namespaces).await?;
    let workers: Vec<Value> = workers.iter().map(shown_worker).collect();
    Ok(HttpResponse::Ok().json(workers))
}

/// The calls as an OpenAPI document.
async fn describe(_: WorkerCaller) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(include_str!("openapi.json"))
}

async fn other_method() -> Result<HttpResponse, Problem> {
    Err(Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "BAD_USER_INPUT",
        "calls of workers are POST; DELETE /workers/{id} leaves, GET /workers lists",
    ))
}

/// The answer to a poll.
#[derive(Serialize)]
struct Polled<'a> {
    draining: bool,
    executions: Vec<Shown<'a>>,
}

/// An execution in the answer to a poll.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    id: Uuid,
    attempt: i32,
    job_id: Uuid,
    job_name: &'a str,
    handler: &'a str,
    kind: &'static str,
    payload: Option<&'a RawValue>,
    checkpoint: Option<&'a RawValue>,
    failures: i32,
    fire_time: String,
    due_time: String,
    timeout_seconds: Option<i32>,
    deadline: Option<String>,
}

impl<'a> Shown<'a> {
    fn of(leased: &'a LeasedAttempt) -> Self {
        let attempt = &leased.attempt;
        let timeout = attempt.policies.timeout_seconds;
        let deadline = timeout.map(|seconds| leased.leased_at + TimeDelta::seconds(seconds.into()));
        Self {
            id: attempt.execution_id,
            attempt: attempt.attempt,
            job_id: attempt.job_id,
            job_name: &attempt.job_name,
            handler: attempt.target.handler().unwrap_or_default(),
            kind: attempt.kind.as_str(),
            payload: attempt.payload.as_ref().map(JsonPayload::json),
            checkpoint: leased.checkpoint.as_ref().map(JsonPayload::json),
            failures: attempt.failures,
            fire_time: rfc3339(attempt.fire_time),
            due_time: rfc3339(attempt.due_time),
            timeout_seconds: timeout,
            deadline: deadline.map(rfc3339),
        }
    }
}

fn shown(attempts: &[HeldByWorker]) -> Vec<Value> {
    let attempts = attempts.iter();
    attempts
        .map(|held| json!({"id": held.id, "attempt": held.attempt}))
        .collect()
}

fn shown_worker(worker: &WorkerRecord) -> Value {
    let profile = &worker.profile;
    json!({
        "id": worker.id,
        "name": profile.name,
        "version": profile.version,
        "namespace": profile.namespace,
        "handlers": profile.handlers,
        "slots": profile.slots,
        "ttlSeconds": profile.ttl_seconds,
        "state": worker.state,
        "executionsRunning": worker.executions_running,
        "startedAt": rfc3339(worker.started_at),
        "heartbeatAgeSeconds": worker.heartbeat_age_seconds,
    })
}
