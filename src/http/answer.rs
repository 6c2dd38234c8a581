//! The answer of a GraphQL request: its media type and its bytes.

use crate::api::{ANSWER_BYTES_MAX, Allowance, too_large};
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::ACCEPT;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use async_graphql::Response;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What most clients read, and who says nothing gets.
const JSON: &str = "application/json";
/// GraphQL's own, which says that errors are not the transport's.
const GRAPHQL: &str = "application/graphql-response+json";

/// Bytes of an answer that are handed on at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// An answer that is being sent: what it took of the node is given back when it is gone.
struct Sending {
    chunks: VecDeque<Bytes>,
    length: usize,
    _allowance: Option<Arc<Allowance>>,
}

/// An answer that is being written, in chunks: one buffer would be copied each time it grows.
#[derive(Default)]
struct Chunks {
    full: VecDeque<Bytes>,
    last: Vec<u8>,
    length: usize,
}

/// The answer in the media type that the client prefers.
pub fn of(request: &HttpRequest, response: Response, allowance: Option<Arc<Allowance>>) -> HttpResponse {
    let (mut chunks, mut answer) = (Chunks::default(), HttpResponse::Ok());
    answer.content_type(media_type(request));
    if serde_json::to_writer(&mut chunks, &response).is_err() {
        // Nothing but its length can be wrong with it.
        return answer.json(too_large());
    }
    drop(response);
    chunks.full.push_back(chunks.last.into());
    answer.body(Sending { chunks: chunks.full, length: chunks.length, _allowance: allowance })
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.length += bytes.len();
        if self.length > ANSWER_BYTES_MAX {
            return Err(std::io::Error::other("the answer is too long"));
        }
        if self.last.len() + bytes.len() > CHUNK_BYTES {
            let full = std::mem::replace(&mut self.last, Vec::with_capacity(CHUNK_BYTES));
            self.full.push_back(full.into());
        }
        self.last.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MessageBody for Sending {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.length as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(self.chunks.pop_front().map(Ok))
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
