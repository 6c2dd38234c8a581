//! Origins: requests that a stranger makes through the browser of a user, or through a node.
//!
//! A browser lets a page of any site send requests to any host, with the cookies of the user, and
//! adds the origin of the page. Commands and sockets are for the pages of the node and for
//! programs, which send no `Origin`.
//!
//! The webhook of a job is such a request, too: its author chose the address, the node sends it.
//! The nodes are part of a network that is open to webhooks.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, HttpResponse};
use url::Url;

/// Header of browsers about the initiator of a request, on trustworthy connections.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Header of all webhooks; no job can remove it.
const EXECUTION_ID: HeaderName = HeaderName::from_static("horolog-execution-id");

/// Whether a page of another site may have sent the request: an `Origin` differs from the host and
/// port of the request, or the browser says so.
pub fn is_foreign_page(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let elsewhere = headers
        .get_all(ORIGIN)
        .any(|origin| !is_of(origin.to_str().unwrap_or_default(), text(headers, HOST)));
    let site = headers
        .contains_key(FETCH_SITE)
        .then(|| text(headers, FETCH_SITE));
    // `none`: the user typed the address, or chose a bookmark.
    elsewhere || site.is_some_and(|site| !matches!(site, "same-origin" | "none"))
}

/// The value of a header; empty if the request has none.
fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// Refuses the webhooks of any node of Horolog, also of another cluster: no job commands its
/// cluster.
pub async fn refuse_webhooks(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    if !request.headers().contains_key(EXECUTION_ID) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    tracing::warn!(
        path = request.path(),
        "refused a webhook: a job's target is a node of Horolog"
    );
    let mut answer = HttpResponse::Forbidden();
    let answer = answer.content_type("text/plain; charset=utf-8");
    let answer = answer
        .body("a node of Horolog is no target for webhooks: let a program of yours call the API\n");
    Ok(request.into_response(answer).map_into_right_body())
}

/// Whether `origin` has the same host and port as `host`. Default port: that of the scheme of
/// `origin`, because a proxy that ends TLS forwards the host of the browser.
fn is_of(origin: &str, host: &str) -> bool {
    // Sandboxed frames and files have the origin `null`, which is no page of this node.
    let Some((scheme @ ("http" | "https"), _)) = origin.split_once("://") else {
        return false;
    };
    match (
        Url::parse(origin),
        Url::parse(&format!("{scheme}://{host}")),
    ) {
        (Ok(origin), Ok(host)) => {
            origin.host() == host.host()
                && origin.port_or_known_default() == host.port_or_known_default()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn an_origin_is_compared_by_host_and_port() {
        for (origin, host) in [
            ("http://127.0.0.1:8081", "127.0.0.1:8081"),
            ("https://jobs.example.com", "jobs.example.com"),
            ("https://jobs.example.com", "JOBS.example.com:443"),
            ("http://jobs.example.com", "jobs.example.com:80"),
            ("http://[::1]:8081", "[::1]:8081"),
        ] {
            assert!(is_of(origin, host), "{origin} {host}");
        }
        for (origin, host) in [
            ("https://evil.example", "jobs.example.com"),
            ("http://127.0.0.1:8082", "127.0.0.1:8081"),
            ("https://jobs.example.com", "jobs.example.com:80"),
            ("https://jobs.example.com.evil.example", "jobs.example.com"),
            ("null", "127.0.0.1:8081"),
            ("", "127.0.0.1:8081"),
            ("http://", ""),
            ("file:///", ""),
        ] {
            assert!(!is_of(origin, host), "{origin} {host}");
        }
    }

    #[test]
    fn what_a_page_of_another_site_sends_is_told_from_programs_and_own_pages() {
        let from = |headers: &[(&'static str, &'static str)]| {
            let request = headers.iter().fold(TestRequest::post(), |request, header| {
                request.append_header(*header)
            });
            is_foreign_page(
                &request
                    .append_header(("host", "127.0.0.1:8081"))
                    .to_http_request(),
            )
        };
        assert!(!from(&[]));
        assert!(!from(&[
            ("origin", "http://127.0.0.1:8081"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(!from(&[("sec-fetch-site", "none")]));
        assert!(from(&[
            ("origin", "http://127.0.0.1:8081"),
            ("origin", "https://evil.example")
        ]));
        assert!(
            from(&[("sec-fetch-site", "cross-site")]) && from(&[("sec-fetch-site", "same-site")])
        );
    }
}
