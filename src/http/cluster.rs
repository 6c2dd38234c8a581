//! Members of the cluster, for other programs: load balancers and Prometheus. Every caller may read
//! them: MONITOR is the lowest role.
//!
//! Without the database the members are unknown: the answer is 503, and other programs keep their
//! last list.

use super::NodeView;
use super::authentication::Authenticated;
use super::tls::Encrypted;
use crate::model::node::NodeState;
use crate::model::rfc3339;
use crate::store::protocol::membership::NodeRecord;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

/// The living nodes: `ACTIVE` ones accept requests, `DRAINING` ones stop.
pub async fn members(_: Authenticated, view: web::Data<NodeView>) -> HttpResponse {
    list_living(&view, |node| {
        json!({
            "id": node.id,
            "name": node.name,
            "address": node.address,
            "state": node.state.as_str(),
            "version": node.version,
            "startedAt": rfc3339(node.started_at),
        })
    })
    .await
}

/// The living nodes in the form of Prometheus' HTTP service discovery:
/// <https://prometheus.io/docs/prometheus/latest/http_sd/>.
pub async fn prometheus_sd(
    request: HttpRequest,
    _: Authenticated,
    view: web::Data<NodeView>,
) -> HttpResponse {
    // The nodes of a cluster have certificates, or none of them does.
    let scheme = request.conn_data::<Encrypted>().map(|_| "https");
    list_living(&view, |node| {
        let mut labels = json!({"node": node.name});
        if let Some(scheme) = scheme {
            labels["__scheme__"] = scheme.into();
        }
        json!({"targets": [node.address], "labels": labels})
    })
    .await
}

async fn list_living(view: &NodeView, shown: impl Fn(&NodeRecord) -> Value) -> HttpResponse {
    match view.store.nodes().await {
        Ok(nodes) => {
            let living = nodes
                .iter()
                .filter(|node| matches!(node.state, NodeState::Active | NodeState::Draining));
            HttpResponse::Ok().json(living.map(shown).collect::<Vec<_>>())
        }
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the members of the cluster are unknown"
            );
            HttpResponse::ServiceUnavailable()
                .json(json!({"status": "the database does not answer"}))
        }
    }
}
