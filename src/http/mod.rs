//! HTTP: the routes of a node.
//!
//! The GraphQL endpoint takes `POST` with `application/json` and nothing else: a
//! page of another site can send a form or plain text with the user's cookies,
//! but not this. Bodies are bounded before they are parsed. No route is reached
//! under a name that is not the node's, or by a webhook.

mod answer;
mod cluster;
mod dashboard;
mod graphql;
mod health;
mod hosts;
mod origins;
mod socket;
mod sockets;

use crate::actors::vitals::Vitals;
use crate::api::Schema;
use crate::model::introspection::Introspection;
use crate::model::node::Standing;
use crate::store::Store;
use actix_web::dev::Server;
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::{App, HttpServer, Route, guard, web};
pub use hosts::Hosts;
use sockets::Sockets;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio::sync::watch;

/// Largest request body in bytes.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// The reference system's path, and the short one.
const GRAPHQL_PATHS: [&str; 2] = ["/scheduler-instance/graphql", "/graphql"];
/// Threads that serve requests.
const WORKERS: usize = 2;

/// What the routes show of their node.
#[derive(Clone)]
pub struct NodeView {
    /// Where the members of the cluster stand.
    pub store: Store,
    /// Whether the node may lease now.
    pub standing: watch::Receiver<Standing>,
    /// Whether its actors live.
    pub vitals: Vitals,
    /// Executions it holds.
    pub executions_held: Arc<AtomicUsize>,
    /// Executions it can run at once.
    pub slots: usize,
    /// Whether it shows its schema, and the playground.
    pub introspection: Introspection,
    /// Its TTL, from which the age of its last heartbeat follows.
    pub node_ttl: std::time::Duration,
}

/// Serves the routes on a bound socket. The caller stops it; signals are the
/// composition root's.
pub fn serve(listener: TcpListener, schema: Schema, view: NodeView, hosts: Hosts) -> std::io::Result<Server> {
    let sockets = Sockets::default();
    let server = HttpServer::new(move || {
        // Each worker makes its App on its own thread.
        crate::threads::yield_to_firing();
        let headers = DefaultHeaders::new()
            .add(("x-content-type-options", "nosniff"))
            .add(("referrer-policy", "no-referrer"))
            // What is not a file of the dashboard, which says otherwise itself.
            .add(("cache-control", "no-store"))
            .add(("content-security-policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"));
        App::new()
            .wrap(from_fn(origins::refuse_webhooks))
            .wrap(from_fn(hosts::refuse_strange))
            .wrap(headers)
            .app_data(web::Data::new(schema.clone()))
            .app_data(web::Data::new(view.clone()))
            .app_data(web::Data::new(hosts.clone()))
            .app_data(web::Data::new(sockets.clone()))
            .app_data(web::PayloadConfig::new(BODY_BYTES_MAX))
            .configure(routes)
    });
    // A stop waits so many seconds for what is asked; a socket of the dashboard would stay open for ever.
    Ok(server.workers(WORKERS).disable_signals().shutdown_timeout(1).listen(listener)?.run())
}

fn routes(config: &mut web::ServiceConfig) {
    for path in GRAPHQL_PATHS {
        config.service(
            web::resource(path)
                .route(web::route().guard(guard::Post()).to(graphql::post))
                .route(web::route().guard(guard::Get()).guard(guard::fn_guard(is_upgrade)).to(sockets::open))
                .default_service(web::to(graphql::only_post)),
        );
    }
    config
        .route("/healthz", reading().to(health::healthz))
        .route("/readyz", reading().to(health::readyz))
        .route("/metrics", reading().to(health::metrics))
        .route("/cluster/members", reading().to(cluster::members))
        .route("/cluster/prometheus-sd", reading().to(cluster::prometheus_sd))
        .default_service(web::to(dashboard::serve));
}

/// `GET`, and `HEAD`, which is the same without a body.
fn reading() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

fn is_upgrade(request: &guard::GuardContext<'_>) -> bool {
    let upgrade = request.head().headers().get(actix_web::http::header::UPGRADE);
    upgrade.is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"))
}
