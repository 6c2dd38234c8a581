//! The start rule: no node serves anonymous callers beyond loopback by mistake.
//!
//! While the cluster has no user and no API token, a node on loopback serves anonymous callers, as
//! the reference system does. A node that listens beyond loopback refuses to start, unless its
//! settings say otherwise.

use super::StartError;
use super::identity::advertised;
use crate::access::Authenticator;
use crate::config::ServeConfig;
use crate::http::Authentication;
use actix_web::http::header::HeaderName;
use std::net::SocketAddr;
use std::sync::Arc;

/// Page of the dashboard that creates the first admin. The token stands behind `#`, which browsers
/// send to no server.
const SET_UP_PAGE: &str = "/set-up";

/// How a node without users starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StartRule {
    /// It serves anonymous callers.
    Open,
    /// It serves no caller, and writes a link to the log that creates the first admin.
    SetUpLink,
    /// It serves no anonymous caller: people sign in at a provider, whose groups name the admins.
    OpenId,
    /// It does not start.
    Refuse,
}

impl StartRule {
    /// The rule for a node with the settings at the address.
    pub(super) fn of(config: &ServeConfig, address: SocketAddr) -> Self {
        // The explicit settings come first, also on loopback.
        if config.set_up_link {
            Self::SetUpLink
        } else if config.openid.is_on() {
            Self::OpenId
        } else if config.insecure_no_auth || is_loopback(address) {
            Self::Open
        } else {
            Self::Refuse
        }
    }

    /// How the node knows its callers. Before the database answers, too, only a node whose rule is
    /// open serves anonymous callers.
    pub(super) fn authentication(
        self,
        config: &ServeConfig,
        authenticator: Arc<Authenticator>,
    ) -> Authentication {
        let user_header = config.proxy_user_header.as_deref();
        Authentication::new(
            authenticator,
            self == Self::Open,
            config.trusted_proxy.clone(),
            // The settings have been validated.
            user_header.and_then(|name| HeaderName::try_from(name).ok()),
        )
    }

    /// Applies the rule, as soon as the database answers.
    pub(super) async fn apply(
        self,
        config: &ServeConfig,
        address: SocketAddr,
        authenticator: &Authenticator,
    ) -> Result<(), StartError> {
        match self {
            // A cluster with tokens and without a user has a link, too.
            Self::SetUpLink => {
                if let Some(token) = authenticator.new_set_up_link().await? {
                    announce(config, address, token.expose());
                } else {
                    tracing::info!("--set-up-link has no effect: the cluster has a user");
                }
            }
            // The groups of the provider name the admins, so the first one needs no link.
            Self::OpenId => {}
            // A cluster with a user or a token serves no anonymous caller, on any address.
            Self::Open | Self::Refuse if !authenticator.is_open().await? => {}
            Self::Open => warn_when_open(address),
            Self::Refuse => return Err(StartError::Open { address }),
        }
        Ok(())
    }
}

/// Writes the link into the log, which only operators of the node read.
fn announce(config: &ServeConfig, address: SocketAddr, token: &str) {
    let url = format!(
        "{}://{}{}{SET_UP_PAGE}#{token}",
        config.scheme(),
        advertised(config, address),
        config.base_path
    );
    tracing::warn!(
        %url,
        "set-up: this page creates the first admin, once; behind a proxy, open it under the name \
         of the proxy"
    );
}

fn is_loopback(address: SocketAddr) -> bool {
    // `::ffff:127.0.0.1` is loopback, too.
    address.ip().to_canonical().is_loopback()
}

fn warn_when_open(address: SocketAddr) {
    if !is_loopback(address) {
        tracing::warn!(
            %address,
            "THE API IS OPEN: there are no users, and any client that reaches this address can \
             run jobs; create the first user (`horolog user create NAME --admin`)"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    const OPENID: &str = "--openid-issuer https://login.example.com --openid-client-id horolog \
         --openid-redirect-url https://jobs.example.com/session/openid/callback";

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        serve: ServeConfig,
    }

    #[test]
    fn only_loopback_is_open_unless_the_settings_say_so() {
        for (flags, address, rule) in [
            ("", "127.0.0.1:8081", StartRule::Open),
            ("", "[::1]:8081", StartRule::Open),
            ("", "[::ffff:127.0.0.1]:8081", StartRule::Open),
            ("", "0.0.0.0:8081", StartRule::Refuse),
            ("", "[::]:8081", StartRule::Refuse),
            ("", "10.0.0.1:8081", StartRule::Refuse),
            ("--insecure-no-auth", "0.0.0.0:8081", StartRule::Open),
            ("--set-up-link", "0.0.0.0:8081", StartRule::SetUpLink),
            (OPENID, "0.0.0.0:8081", StartRule::OpenId),
            (OPENID, "127.0.0.1:8081", StartRule::OpenId),
            ("--set-up-link", "127.0.0.1:8081", StartRule::SetUpLink),
        ] {
            let program = std::iter::once("horolog").chain(flags.split_whitespace());
            let config = Program::try_parse_from(program).expect(flags).serve;
            let address = address.parse().expect(address);
            assert_eq!(StartRule::of(&config, address), rule, "{flags} {address}");
        }
    }
}
