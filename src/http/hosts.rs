//! Hosts: the names that a node answers to.
//!
//! A page of any site can change the address of its own name to 127.0.0.1 after it was loaded (DNS
//! rebinding). For the browser, the node at that address is then the origin of the page: neither
//! the content type nor the `Origin` of a socket distinguishes its requests from those of the
//! dashboard. `Host` still has the name of the page. In the same way a page reaches a node at any
//! address of a company's network from a browser inside. A session
//! does not help against such a page, and an open node has none: a node answers to no name that a
//! stranger could own.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::HOST;
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};
use std::net::{IpAddr, Ipv6Addr};

/// Longest name that a refusal repeats: the longest name of DNS.
const NAME_BYTES_MAX: usize = 253;

/// The names that a node answers to, in addition to those that no stranger can own.
#[derive(Debug, Clone)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// The name by which other programs reach the node (`host:port`), and those of `--allow-host`.
    pub fn new(advertised: &str, allowed: &[String]) -> Self {
        let advertised = advertised.rsplit_once(':').map(|(name, _)| name.to_owned());
        Self(
            advertised
                .into_iter()
                .chain(allowed.iter().cloned())
                .collect(),
        )
    }

    /// Whether the node answers to a host. Without a setting: an address, since no page has such a
    /// name; a name without a dot, as proxies use for targets (`upstream`), since no stranger can
    /// own such a name; `localhost` and the names below.
    fn answer_to(&self, host: &str) -> bool {
        // A browser always sends a host; a health check by HTTP/1.0 may not.
        if host.is_empty() {
            return true;
        }
        let name = host
            .rsplit_once(':')
            // The last colon of `[::1]` begins no port.
            .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
            .map_or(host, |(name, _)| name);
        // A final dot marks a fully qualified name; the host is the same.
        let name = name.strip_suffix('.').unwrap_or(name);
        is_address(name)
            || is_single_label(name)
            || name.to_ascii_lowercase().ends_with(".localhost")
            || self.0.iter().any(|named| named.eq_ignore_ascii_case(name))
    }
}

fn is_address(name: &str) -> bool {
    let in_brackets = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    match in_brackets {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => name.parse::<IpAddr>().is_ok(),
    }
}

fn is_single_label(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Refuses requests for other names before any route gets them.
pub async fn refuse_strange(
    hosts: web::Data<Hosts>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let refusal = match asked(&request) {
        Some(host) if hosts.answer_to(&host) => {
            return Ok(next.call(request).await?.map_into_left_body());
        }
        Some(host) => {
            let shown: String = host.escape_debug().take(NAME_BYTES_MAX).collect();
            tracing::debug!(host = %shown, path = request.path(), "refused a request for a name \
                 that is not this node's");
            format!(
                "this node does not answer to the host `{shown}`: if browsers, a proxy or a \
                 service call it so, start the node with --allow-host and the name without its \
                 port\n"
            )
        }
        None => {
            "the request names two hosts: send the same in Host as in the request line\n".to_owned()
        }
    };
    let mut answer = HttpResponse::build(StatusCode::MISDIRECTED_REQUEST);
    let answer = answer
        .content_type("text/plain; charset=utf-8")
        .body(refusal);
    Ok(request.into_response(answer).map_into_right_body())
}

/// The host of a request; empty without a host. `None`: two different hosts. A target in absolute
/// form (`GET http://host/ HTTP/1.1`) overrides `Host` (RFC 9112 §3.2.2): a check of only one could
/// be bypassed. A second `Host` is refused by the HTTP parser.
fn asked(request: &ServiceRequest) -> Option<String> {
    let host = request
        .headers()
        .get(HOST)
        .map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
    let target = request.uri().authority().map(ToString::to_string);
    match (host, target) {
        (Some(host), Some(target)) => host.eq_ignore_ascii_case(&target).then_some(host),
        (host, target) => Some(host.or(target).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(advertised: &str, allowed: &[&str]) -> Hosts {
        let allowed: Vec<String> = allowed.iter().map(|&name| name.to_owned()).collect();
        Hosts::new(advertised, &allowed)
    }

    #[test]
    fn a_node_answers_to_no_name_that_a_stranger_could_own() {
        for advertised in [
            "127.0.0.1:8081",
            "[::1]:8081",
            "10.1.2.3:8081",
            "node-1:8081",
        ] {
            let hosts = hosts(advertised, &[]);
            for own in [
                "127.0.0.1:8081",
                "127.0.0.1",
                "[::1]:8081",
                "10.1.2.3:80",
                "localhost:8081",
                "LOCALHOST.",
                "horolog.localhost:8081",
                "horolog_nodes",
                "",
            ] {
                assert!(hosts.answer_to(own), "{own}");
            }
            for strange in [
                "evil.example",
                "evil.example:8081",
                "evil.example.",
                "127.0.0.1.evil.example:8081",
                "127.0.0.1.nip.io",
                "localhost.evil.example",
                "notlocalhost.example",
                "[::1].evil.example",
                "user@evil.example",
                "127.0.0.1:8081, evil.example",
                "evil example",
            ] {
                assert!(!hosts.answer_to(strange), "{strange}");
            }
        }
    }

    #[test]
    fn a_node_answers_to_the_names_that_it_was_told() {
        let told = hosts("node-1.internal:8081", &["jobs.example.com"]);
        assert!(told.answer_to("jobs.example.com") && told.answer_to("JOBS.example.com.:443"));
        assert!(told.answer_to("node-1.internal:8081"));
        assert!(!told.answer_to("www.jobs.example.com") && !told.answer_to("example.com"));
    }
}
