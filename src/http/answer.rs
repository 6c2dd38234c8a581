//! The answer of a GraphQL request: its media type and its bytes.

use actix_web::http::header::ACCEPT;
use actix_web::{HttpRequest, HttpResponse};
use async_graphql::Response;

/// What most clients read, and who says nothing gets.
const JSON: &str = "application/json";
/// GraphQL's own, which says that errors are not the transport's.
const GRAPHQL: &str = "application/graphql-response+json";

/// The answer in the media type that the client prefers.
pub fn of(request: &HttpRequest, response: &Response) -> HttpResponse {
    match serde_json::to_vec(response) {
        Ok(body) => HttpResponse::Ok().content_type(media_type(request)).body(body),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "an answer cannot be written as JSON");
            HttpResponse::InternalServerError().finish()
        }
    }
}

fn media_type(request: &HttpRequest) -> &'static str {
    let accepted = request.headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok());
    preferred(accepted.flat_map(|value| value.split(',')))
}

/// The one with the greatest weight, of equal ones the first. What is not named has the weight 0.
fn preferred<'a>(ranges: impl Iterator<Item = &'a str>) -> &'static str {
    let mut best = (JSON, 0.0);
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next().unwrap_or_default();
        let Some(offered) = [JSON, GRAPHQL].into_iter().find(|offered| named.eq_ignore_ascii_case(offered)) else {
            continue;
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |weight| weight.parse().ok());
        if let Some(weight) = weight.filter(|weight| *weight > best.1) {
            best = (offered, weight);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(accept: &str) -> &'static str {
        preferred(accept.split(','))
    }

    #[test]
    fn the_answer_follows_accept() {
        assert_eq!(of(""), JSON);
        assert_eq!(of("*/*"), JSON);
        assert_eq!(of("text/html"), JSON);
        assert_eq!(of("application/json"), JSON);
        assert_eq!(of("application/json; charset=utf-8"), JSON);
        assert_eq!(of("application/graphql-response+json"), GRAPHQL);
        assert_eq!(of("application/graphql-response+json, application/json;q=0.9"), GRAPHQL);
        assert_eq!(of("application/json, multipart/mixed, application/graphql-response+json;q=0.5"), JSON);
        assert_eq!(of("application/graphql-response+json;q=0, */*"), JSON);
        assert_eq!(of("APPLICATION/GraphQL-response+json ; q=0.1"), GRAPHQL);
    }
}
