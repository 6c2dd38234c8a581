//! HTTP: the routes of a node.
//!
//! The GraphQL endpoint accepts commands only by `POST` with `application/json`: a page of another
//! site can send a form or plain text with the cookies of the user, but not JSON. Bodies have a
//! limit before they are parsed. No route is reachable under a foreign host name, or by a webhook.

mod accept;
mod answer;
mod base_path;
mod bodies;
mod cluster;
mod connections;
mod dashboard;
mod exchange;
mod graphql;
mod health;
mod hosts;
mod origins;
mod socket;
mod sockets;

use crate::actors::watchdog::Watchdog;
use crate::api::Schema;
use crate::model::introspection::Introspection;
use crate::model::node::MembershipState;
use crate::store::Store;
use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_service::{ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::{AppConfig, Server};
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::{App, Route, guard, web};
use bodies::Bodies;
use connections::{Connections, Watched};
use exchange::Answers;
use futures_util::future::ready;
pub use hosts::Hosts;
use sockets::Sockets;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// Where the reference system has its API.
const REFERENCE_PATH: &str = "/scheduler-instance/graphql";
/// The same here, and the short one.
const GRAPHQL_PATHS: [&str; 2] = [REFERENCE_PATH, "/graphql"];
/// Threads that serve requests.
const WORKERS: usize = 2;
/// Connections that the kernel keeps until a worker takes them: as many as may come at once.
const BACKLOG: i32 = 1_024;
/// What the kernel holds for a client that does not read: enough for 10 MB/s at 25 ms.
const SEND_BUFFER_BYTES: usize = 256 * 1024;
/// How long a connection is kept for its next request; below the minute for which nginx keeps its
/// own.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How long the head of a connection's first request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a closed connection is read on, so that the client gets the answer.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Threads of each worker for long arithmetic (`upcoming`). With more, ten requests at once would
/// leave firing and the database little of two cores, however nice the threads are.
const BLOCKING_THREADS: usize = 1;

/// What the routes show of their node.
#[derive(Clone)]
pub struct NodeView {
    /// Where the members of the cluster stand.
    pub store: Store,
    /// Whether the node may lease now.
    pub membership_state: watch::Receiver<MembershipState>,
    /// Whether its actors live.
    pub watchdog: Watchdog,
    /// Executions it holds.
    pub executions_held: Arc<AtomicUsize>,
    /// Executions it can run at once.
    pub slots: usize,
    /// Whether it shows its schema, and the playground.
    pub introspection: Introspection,
    /// What a proxy puts before its addresses; empty for nothing.
    pub base_path: String,
    /// Its TTL, from which the age of its last heartbeat follows.
    pub node_ttl: Duration,
}

/// Serves the routes on a bound socket, to so many connections at once. The
/// caller stops it; signals are the composition root's.
pub fn serve(
    listener: TcpListener,
    schema: Schema,
    view: NodeView,
    hosts: Hosts,
    connections_max: usize,
) -> std::io::Result<Server> {
    // Connections have what their listener has.
    rustix::net::sockopt::set_socket_send_buffer_size(&listener, SEND_BUFFER_BYTES)?;
    rustix::net::listen(&listener, BACKLOG)?;
    let (sockets, answers, bodies) = (Sockets::default(), Answers::default(), Bodies::new());
    let connections = Connections::new(connections_max);
    // A stop waits so many seconds for what is asked; a socket of the dashboard would stay open for
    // ever.
    let server = Server::build()
        .workers(WORKERS)
        .disable_signals()
        .shutdown_timeout(1);
    let stopping = server.graceful_shutdown_signal();
    let server = server.worker_max_blocking_threads(BLOCKING_THREADS);
    // Each worker counts for itself, and the next connection goes to the other one when it is full.
    let server = server.max_concurrent_connections(connections.accepted_max().div_ceil(WORKERS));
    let server = server.listen("api", listener, move || {
        // Each worker makes its App on its own thread.
        crate::threads::yield_to_firing();
        let app = App::new()
            .wrap(from_fn(base_path::take_out))
            .wrap(from_fn(origins::refuse_webhooks))
            .wrap(from_fn(hosts::refuse_strange))
            .wrap(headers())
            .wrap(from_fn(exchange::bound))
            .app_data(web::Data::new(schema.clone()))
            .app_data(web::Data::new(view.clone()))
            .app_data(web::Data::new(hosts.clone()))
            .app_data(web::Data::new(sockets.clone()))
            .app_data(web::Data::new(answers.clone()))
            .app_data(web::Data::new(bodies.clone()))
            .configure(routes);
        let stopping = stopping.clone();
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEAD_TIMEOUT)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .on_connect_ext(|io: &Watched, extensions| drop(extensions.insert(io.connection())))
            .h1(map_config(app, |()| AppConfig::default()));
        let connections = connections.clone();
        let watched = fn_service(move |io: TcpStream| {
            ready(
                connections
                    .admit(io)
                    .map(|io| {
                        let peer = io.peer();
                        (io, peer)
                    })
                    .map_err(DispatchError::Io),
            )
        });
        watched.and_then(http)
    })?;
    Ok(server.run())
}

/// What every answer bears, unless it says otherwise itself.
fn headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("x-content-type-options", "nosniff"))
        .add(("referrer-policy", "no-referrer"))
        // What is not a file of the dashboard, which says otherwise itself.
        .add(("cache-control", "no-store"))
        .add((
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
        ))
}

fn routes(config: &mut web::ServiceConfig) {
    for path in GRAPHQL_PATHS {
        config.service(
            web::resource(path)
                .route(web::route().guard(guard::Post()).to(graphql::post))
                .route(
                    web::route()
                        .guard(guard::Get())
                        .guard(guard::fn_guard(is_upgrade))
                        .to(sockets::open),
                )
                .route(reading().to(graphql::get))
                .default_service(web::to(graphql::other_method)),
        );
    }
    config
        .route("/healthz", reading().to(health::healthz))
        .route("/readyz", reading().to(health::readyz))
        .route("/metrics", reading().to(health::metrics))
        .route("/cluster/members", reading().to(cluster::members))
        .route(
            "/cluster/prometheus-sd",
            reading().to(cluster::prometheus_sd),
        )
        .default_service(web::to(dashboard::serve));
}

/// `GET`, and `HEAD`, which is the same without a body.
fn reading() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

fn is_upgrade(request: &guard::GuardContext<'_>) -> bool {
    let upgrade = request
        .head()
        .headers()
        .get(actix_web::http::header::UPGRADE);
    upgrade.is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"))
}
