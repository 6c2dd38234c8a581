//! HTTP: the routes of a node.
//!
//! Every route needs a caller ([`authentication`]) but those of health, of sessions and of the
//! dashboard's files.
//!
//! The GraphQL endpoint accepts commands only by `POST` with `application/json`: a page of another
//! site can send a form or plain text with the cookies of the user, but not JSON. Bodies have a
//! limit before they are parsed. No route is reachable under a foreign host name, or by a webhook.

mod accept;
mod answer;
mod authentication;
mod base_path;
mod bodies;
pub mod certificate;
mod cluster;
mod connections;
mod cookie;
mod dashboard;
mod exchange;
mod graphql;
mod health;
mod hosts;
mod openid;
mod origins;
mod proxies;
mod remembered;
mod session;
mod socket;
mod socket_access;
mod socket_places;
mod sockets;
mod tls;
mod workers;

use crate::actors::watchdog::Watchdog;
use crate::api::Schema;
use crate::config::CALLBACK_PATH;
use crate::model::introspection::Introspection;
use crate::model::node::MembershipState;
use crate::store::Store;
use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_service::{ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::{AppConfig, Server};
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::{App, Route, guard, web};
pub use authentication::{Authentication, Once, session_id};
pub use base_path::without as without_base_path;
use bodies::Bodies;
use connections::Connections;
use exchange::Answers;
pub use hosts::Hosts;
pub use openid::Provider;
use socket_places::Sockets;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
pub use tls::Tls;
use tls::{Encrypted, Wire};
use tokio::net::TcpStream;
use tokio::sync::watch;
pub use workers::Gateway;

/// Path of the API in the reference system.
const REFERENCE_PATH: &str = "/scheduler-instance/graphql";
/// Paths of the API: that of the reference system, and a short one.
const GRAPHQL_PATHS: [&str; 2] = [REFERENCE_PATH, "/graphql"];
/// Threads of the HTTP server.
const WORKERS: usize = 2;
/// Connections in the kernel's queue until a worker accepts them: the largest burst.
const BACKLOG: i32 = 1_024;
/// Kernel's buffer for a client, in bytes: enough for 10 MB/s with a round trip of 25 ms.
const SEND_BUFFER_BYTES: usize = 256 * 1024;
/// Longest pause before the next request of a connection; below the minute that nginx waits.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Longest time for the head of a connection's first request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time that a closed connection is still read, so that the client gets the answer.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Threads of each worker for long computations (`upcoming`). With more, ten simultaneous requests
/// would leave firing and the database little of two cores, in spite of the priority.
const BLOCKING_THREADS: usize = 1;

/// The parts of a node behind the routes.
#[derive(Clone)]
pub struct NodeView {
    /// The store with the members of the cluster.
    pub store: Store,
    /// The membership: whether the node may lease.
    pub membership_state: watch::Receiver<MembershipState>,
    /// The watchdog: whether its actors make progress.
    pub watchdog: Watchdog,
    /// Executions in its slots.
    pub executions_held: Arc<AtomicUsize>,
    /// Number of its slots.
    pub slots: usize,
    /// Whether it serves its schema and the playground.
    pub introspection: Introspection,
    /// Prefix of a proxy before its addresses; may be empty.
    pub base_path: String,
    /// The TTL, for the age of its last heartbeat.
    pub node_ttl: Duration,
}

/// The checks of the server, and its bounds.
pub struct ServerSettings {
    /// Names that the node answers to.
    pub hosts: Hosts,
    /// How the node knows its callers.
    pub authentication: Authentication,
    /// The OpenID provider, if people sign in at one.
    pub provider: Provider,
    /// Most simultaneous connections of the node.
    pub connections_max: usize,
    /// TLS, if the node has a certificate.
    pub tls: Tls,
    /// What the node does for workers.
    pub gateway: Gateway,
}

/// Serves the routes on a bound socket. The caller stops the server and handles signals.
pub fn serve(
    listener: TcpListener,
    schema: Schema,
    view: NodeView,
    settings: ServerSettings,
) -> std::io::Result<Server> {
    let ServerSettings {
        hosts,
        authentication,
        provider,
        connections_max,
        tls,
        gateway,
    } = settings;
    // Connections inherit the options of their listener.
    rustix::net::sockopt::set_socket_send_buffer_size(&listener, SEND_BUFFER_BYTES)?;
    rustix::net::listen(&listener, BACKLOG)?;
    let (sockets, answers, bodies) = (Sockets::default(), Answers::default(), Bodies::new());
    let connections = Connections::new(connections_max);
    // A stop waits this many seconds for requests in progress; a socket of the dashboard never
    // ends.
    let server = Server::build()
        .workers(WORKERS)
        .disable_signals()
        .shutdown_timeout(1);
    let stopping = server.graceful_shutdown_signal();
    let server = server.worker_max_blocking_threads(BLOCKING_THREADS);
    // The bound is per worker; a full worker leaves the next connection to the other one.
    let server = server.max_concurrent_connections(connections.accepted_max().div_ceil(WORKERS));
    let server = server.listen("api", listener, move || {
        // Each worker builds its App on its own thread.
        crate::threads::yield_to_firing();
        let app = App::new()
            // actix runs the last wrap first: bounds, headers, host, webhooks, base path.
            .wrap(from_fn(base_path::take_out))
            .wrap(from_fn(origins::refuse_webhooks))
            .wrap(from_fn(hosts::refuse_strange))
            .wrap(headers(tls.is_on()))
            .wrap(from_fn(exchange::bound))
            .app_data(web::Data::new(schema.clone()))
            .app_data(web::Data::new(view.clone()))
            .app_data(web::Data::new(hosts.clone()))
            .app_data(web::Data::new(authentication.clone()))
            .app_data(web::Data::new(provider.clone()))
            .app_data(web::Data::new(sockets.clone()))
            .app_data(web::Data::new(answers.clone()))
            .app_data(web::Data::new(bodies.clone()))
            .app_data(web::Data::new(gateway.clone()))
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
            .on_connect_ext(|io: &Wire, extensions| {
                extensions.insert(io.connection());
                if io.is_encrypted() {
                    extensions.insert(Encrypted);
                }
            })
            .h1(map_config(app, |()| AppConfig::default()));
        let (connections, tls) = (connections.clone(), tls.clone());
        let accept = fn_service(move |io: TcpStream| {
            let (connections, tls) = (connections.clone(), tls.clone());
            async move {
                let watched = connections.admit(io).map_err(DispatchError::Io)?;
                let wire = tls.accept(watched).await.map_err(DispatchError::Io)?;
                let peer = wire.peer();
                Ok((wire, peer))
            }
        });
        accept.and_then(http)
    })?;
    Ok(server.run())
}

/// Default headers of all answers.
fn headers(is_encrypted: bool) -> DefaultHeaders {
    let headers = DefaultHeaders::new();
    let headers = if is_encrypted {
        // A year (RFC 6797). Browsers ignore the header for addresses and without TLS.
        headers.add(("strict-transport-security", "max-age=31536000"))
    } else {
        headers
    };
    headers
        .add(("x-content-type-options", "nosniff"))
        .add(("referrer-policy", "no-referrer"))
        // For all answers but the files of the dashboard, which set their own.
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
        .service(
            web::resource("/session")
                .route(web::post().to(session::sign_in))
                .route(web::delete().to(session::sign_out)),
        )
        .route("/session/set-up", web::post().to(session::set_up))
        .route("/session/options", reading().to(openid::options))
        .route("/session/openid", web::get().to(openid::begin))
        .route(CALLBACK_PATH, web::get().to(openid::callback))
        .route("/healthz", reading().to(health::healthz))
        .route("/readyz", reading().to(health::readyz))
        .route("/metrics", reading().to(health::metrics))
        .route("/cluster/members", reading().to(cluster::members))
        .route(
            "/cluster/prometheus-sd",
            reading().to(cluster::prometheus_sd),
        )
        .configure(workers::routes)
        .default_service(web::to(dashboard::serve));
}

/// A route for `GET` and `HEAD`.
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
