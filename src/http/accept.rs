//! Preferences of a client: media types of answers, encodings, pages.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, ACCEPT_ENCODING};

/// Media type of an answer of the API; the meaning of its status depends on it
/// (<https://graphql.github.io/graphql-over-http/draft/>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    /// The default of most clients. The status is 200 also with errors of GraphQL: most clients
    /// take another status for an error of the transport, and do not read the errors.
    Json,
    /// The media type of GraphQL: its status also says whether the request was executed.
    Graphql,
}

impl MediaType {
    /// The media type that the client prefers.
    pub fn of(request: &HttpRequest) -> Self {
        let accepted = request
            .headers()
            .get_all(ACCEPT)
            .filter_map(|value| value.to_str().ok());
        Self::preferred(accepted.flat_map(|value| value.split(',')))
    }

    /// Name in `Accept` and `Content-Type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Graphql => "application/graphql-response+json",
        }
    }

    /// The status of a request that was not executed.
    pub fn refused_with(self, status: StatusCode) -> StatusCode {
        match self {
            Self::Json => StatusCode::OK,
            Self::Graphql => status,
        }
    }

    /// The media type with the greatest weight; of equal weights the first. Without a mention the
    /// weight is 0.
    fn preferred<'a>(ranges: impl Iterator<Item = &'a str>) -> Self {
        let mut best = (Self::Json, 0.0);
        for range in ranges {
            let mut parts = range.split(';').map(str::trim);
            let named = parts.next().unwrap_or_default();
            let mut offered = [Self::Json, Self::Graphql].into_iter();
            let Some(offered) = offered.find(|offered| named.eq_ignore_ascii_case(offered.name()))
            else {
                continue;
            };
            let weight = parts
                .find_map(|part| part.strip_prefix("q="))
                // Without `q` the weight is 1 (RFC 9110, 12.4.2).
                .map_or(Some(1.0), |weight| weight.parse().ok());
            if let Some(weight) = weight.filter(|weight| *weight > best.1) {
                best = (offered, weight);
            }
        }
        best.0
    }
}

/// Whether the request is the navigation of a browser: a typed address, a link or a reload.
pub fn wants_page(request: &HttpRequest) -> bool {
    let accepted = request
        .headers()
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
}

/// Whether the client accepts a body in this encoding.
pub fn takes(request: &HttpRequest, encoding: &str) -> bool {
    let accepted = request
        .headers()
        .get(ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| names(accepted, encoding))
}

/// Whether a list of encodings has this encoding. `br;q=0` is a refusal. `*` does not count:
/// clients name br and gzip.
fn names(accepted: &str, encoding: &str) -> bool {
    accepted
        .split(',')
        .map(|one| one.split(';').map(str::trim))
        .any(|mut parts| {
            let is_named = parts
                .next()
                .is_some_and(|named| named.eq_ignore_ascii_case(encoding));
            is_named
                && !parts.any(|weight| matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_follows_accept() {
        let of = |accept: &str| MediaType::preferred(accept.split(','));
        for accept in [
            "",
            "*/*",
            "text/html",
            "application/json",
            "application/json; charset=utf-8",
            "application/json, multipart/mixed, application/graphql-response+json;q=0.5",
            "application/graphql-response+json;q=0, */*",
        ] {
            assert_eq!(of(accept), MediaType::Json, "{accept}");
        }
        for accept in [
            "application/graphql-response+json",
            "application/graphql-response+json, application/json;q=0.9",
            "APPLICATION/GraphQL-response+json ; q=0.1",
        ] {
            assert_eq!(of(accept), MediaType::Graphql, "{accept}");
        }
    }

    #[test]
    fn an_encoding_is_taken_if_it_is_named_and_not_refused() {
        assert!(names("gzip, deflate, br, zstd", "br") && names("GZIP;q=1.0", "gzip"));
        assert!(!names("br;q=0, gzip", "br") && names("br;q=0, gzip", "gzip"));
        assert!(!names("identity", "gzip") && !names("", "gzip"));
    }
}
