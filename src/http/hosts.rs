//! Hosts: the names that a node answers to.
//!
//! A page of any site can give its own name the address 127.0.0.1 after it was
//! loaded (DNS rebinding). To the browser the node behind it is then the page's
//! own origin: neither the content type nor the `Origin` of a socket tells its
//! requests from the dashboard's. `Host` still holds the page's name. So a node
//! on loopback, where no authentication stands in the way, answers to no name
//! that a stranger could own.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::HOST;
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};
use std::net::{IpAddr, Ipv6Addr};

/// Longest name that a refusal repeats: that of DNS.
const NAME_BYTES_MAX: usize = 253;

/// Which names a node answers to.
#[derive(Debug, Clone)]
pub struct Hosts {
    /// All of them: whoever listens beyond loopback has other walls.
    any: bool,
    /// Those that it was told.
    named: Vec<String>,
}

impl Hosts {
    /// The names of a node that listens on `address`: `--advertise`
    /// (`host:port`) and `--allow-host`. The latter makes any node look.
    pub fn new(address: IpAddr, advertise: Option<&str>, allowed: &[String]) -> Self {
        let any = !address.to_canonical().is_loopback() && allowed.is_empty();
        let advertised = advertise.and_then(|advertise| Some(advertise.rsplit_once(':')?.0.to_owned()));
        Self { any, named: advertised.into_iter().chain(allowed.iter().cloned()).collect() }
    }

    /// Besides what it was told: an address, which no page has for a name; a name
    /// without a dot, as proxies give to what they forward to (`upstream`), which
    /// nobody on the internet can own; and `localhost`, with what is below it.
    fn answer_to(&self, host: &str) -> bool {
        // A browser always sends one; a check of health by HTTP/1.0 need not.
        if self.any || host.is_empty() {
            return true;
        }
        let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let name = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(name, _)| name);
        let name = name.strip_suffix('.').unwrap_or(name);
        is_address(name)
            || is_single_label(name)
            || name.to_ascii_lowercase().ends_with(".localhost")
            || self.named.iter().any(|named| named.eq_ignore_ascii_case(name))
    }
}

fn is_address(name: &str) -> bool {
    let in_brackets = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    match in_brackets {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => name.parse::<IpAddr>().is_ok(),
    }
}

fn is_single_label(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Serves what is asked of one of the node's own names, and refuses the rest
/// before any route sees it.
pub async fn refuse_strange(
    hosts: web::Data<Hosts>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let host = request
        .headers()
        .get(HOST)
        .map_or_else(String::new, |host| String::from_utf8_lossy(host.as_bytes()).into_owned());
    if hosts.answer_to(&host) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let shown: String = host.escape_debug().take(NAME_BYTES_MAX).collect();
    tracing::debug!(host = %shown, path = request.path(), "refused a request for a name that is not this node's");
    let mut answer = HttpResponse::build(StatusCode::MISDIRECTED_REQUEST);
    let answer = answer.content_type("text/plain; charset=utf-8").body(format!(
        "this node does not answer to the host `{shown}`: if a proxy passes this name on, start the node with --allow-host and the name without its port\n"
    ));
    Ok(request.into_response(answer).map_into_right_body())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(address: &str, advertise: Option<&str>, allowed: &[&str]) -> Hosts {
        let allowed: Vec<String> = allowed.iter().map(|&name| name.to_owned()).collect();
        Hosts::new(address.parse().expect("an address"), advertise, &allowed)
    }

    #[test]
    fn a_node_on_loopback_answers_to_no_name_that_a_stranger_could_own() {
        for address in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
            let hosts = hosts(address, None, &[]);
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
        let told = hosts("127.0.0.1", Some("node-1.internal:8081"), &["jobs.example.com"]);
        assert!(told.answer_to("jobs.example.com") && told.answer_to("JOBS.example.com.:443"));
        assert!(told.answer_to("node-1.internal:8081"));
        assert!(!told.answer_to("www.jobs.example.com") && !told.answer_to("example.com"));
    }

    #[test]
    fn a_node_beyond_loopback_looks_only_when_it_was_told_names() {
        for address in ["0.0.0.0", "::", "10.1.2.3"] {
            assert!(hosts(address, Some("node-1.internal:8081"), &[]).answer_to("jobs.example.com"));
            let told = hosts(address, None, &["jobs.example.com"]);
            assert!(told.answer_to("jobs.example.com") && told.answer_to("10.1.2.3:8081"));
            assert!(!told.answer_to("evil.example"));
        }
    }
}
