//! Health and metrics.
//!
//! `/healthz` never depends on the database: a failover must not restart all nodes. `/readyz` says
//! whether this node accepts work now.

use super::NodeView;
use super::authentication::Scraper;
use crate::model::node::MembershipState;
use crate::telemetry;
use actix_web::{HttpResponse, web};
use serde_json::json;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// 200 as long as all critical actors make progress.
pub async fn healthz(view: web::Data<NodeView>) -> HttpResponse {
    match view.watchdog.stalled(view.node_ttl) {
        None => HttpResponse::Ok().json(json!({"status": "ok"})),
        Some(actor) => {
            HttpResponse::ServiceUnavailable().json(json!({"status": "stalled", "actor": actor}))
        }
    }
}

/// 200 only after migration and join, and while the node leases.
pub async fn readyz(view: web::Data<NodeView>) -> HttpResponse {
    let membership_state = *view.membership_state.borrow();
    if let Some(node_id) = membership_state.may_lease(Instant::now()) {
        return HttpResponse::Ok().json(json!({"status": "ready", "nodeId": node_id}));
    }
    HttpResponse::ServiceUnavailable()
        .json(json!({"status": membership_state.description(Instant::now())}))
}

/// The metrics in the text format of Prometheus, for callers with a role in the whole cluster.
pub async fn metrics(_: Scraper, view: web::Data<NodeView>) -> HttpResponse {
    let membership_state = *view.membership_state.borrow();
    let held = view.executions_held.load(Ordering::Relaxed);
    metrics::gauge!("horolog_slots").set(gauge(view.slots));
    metrics::gauge!("horolog_slots_used").set(gauge(held));
    if let MembershipState::Member(member) = membership_state {
        let renewed = member.trusted_until.checked_sub(view.node_ttl * 7 / 8);
        let age = renewed.map(|renewed| renewed.elapsed()).unwrap_or_default();
        metrics::gauge!("horolog_heartbeat_age_seconds").set(age.as_secs_f64());
    }
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4")
        .body(telemetry::metrics().render())
}

fn gauge(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}
