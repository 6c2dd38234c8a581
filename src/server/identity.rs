//! The node as other programs see it: its name, its address, its certificate, and the addresses
//! that belong to it.

use super::StartError;
use crate::api::{ApiSettings, CallerBudgets, Masks};
use crate::config::ServeConfig;
use crate::handlers::{Egress, OwnService};
use crate::http::Tls;
use crate::http::certificate::{Certificate, CertificateFiles};
use crate::secrets::Keys;
use crate::store::db::database::Database;
use crate::store::protocol::membership::NodeProfile;
use std::net::SocketAddr;

/// The node as it registers itself in the cluster.
pub(super) fn profile(config: &ServeConfig, address: SocketAddr) -> NodeProfile {
    NodeProfile {
        name: node_name(config),
        address: advertised(config, address),
        slots: config.slots,
    }
}

/// Default: the name of the machine.
pub(super) fn node_name(config: &ServeConfig) -> String {
    config.node_name.clone().unwrap_or_else(host_name)
}

/// The addresses that webhooks may reach: never the API of the node, or its database.
pub(super) fn egress(config: &ServeConfig, address: SocketAddr, database: &Database) -> Egress {
    // Without the API in the list a job could call the node as a client on loopback.
    let api = OwnService {
        host: address.ip().to_string(),
        port: address.port(),
    };
    let databases = database
        .tcp_hosts()
        .into_iter()
        .map(|(host, port)| OwnService { host, port });
    let own = std::iter::once(api).chain(databases).collect();
    Egress {
        networks: config.http_allow.clone(),
        ports: config.http_allow_port.clone(),
        own,
    }
}

fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// The address by which other programs reach the node. Default: the listen address, or the name of
/// the machine if that is every address.
pub(super) fn advertised(config: &ServeConfig, address: SocketAddr) -> String {
    match &config.advertise {
        Some(advertise) => advertise.clone(),
        // No other machine can connect to `0.0.0.0` or `::`.
        None if address.ip().is_unspecified() => format!("{}:{}", host_name(), address.port()),
        None => address.to_string(),
    }
}

/// TLS with the certificate of the settings, which is followed from now on.
pub(super) fn tls(config: &ServeConfig) -> Result<Tls, StartError> {
    let (Some(certificate), Some(key)) = (&config.tls_certificate, &config.tls_key) else {
        return Ok(Tls::default());
    };
    let certificate = Certificate::read(CertificateFiles {
        certificate: certificate.clone(),
        key: key.clone(),
    })?;
    // A renewed certificate takes effect without a restart.
    actix::spawn(certificate.clone().follow());
    Tls::with(certificate).map_err(StartError::Tls)
}

/// What the API of the node shows, and to whom how much.
pub(super) fn api_settings(config: &ServeConfig, secret_keys: Keys) -> ApiSettings {
    ApiSettings {
        introspection: config.introspection,
        webhook_networks: config.http_allow.clone(),
        masks: Masks::new(&config.mask),
        caller_budgets: CallerBudgets::new(config.caller_budget),
        secret_keys,
    }
}
