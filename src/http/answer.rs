//! The answer of a GraphQL request: media type, status and bytes.

use super::accept::{MediaType, takes};
use crate::api::{ANSWER_BYTES_MAX, Allowance, OnlyByPost, too_large};
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_ENCODING, VARY};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use async_graphql::{Response, ServerError};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde_json::error::Category;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::task::yield_now;

/// Bytes of one chunk of an answer.
const CHUNK_BYTES: usize = 256 * 1024;
/// Shortest compressed answer; a shorter answer fits into a packet.
const COMPRESSED_BYTES_MIN: usize = 1_400;

/// An answer on the way to the client. The drop returns the share of the node's bounds.
struct Sending {
    chunks: Chunks,
    length: usize,
    _allowance: Option<Arc<Allowance>>,
}

/// An answer that is being written, in chunks: a single buffer would be copied each time it grows.
struct Chunks {
    full: VecDeque<Bytes>,
    last: Vec<u8>,
    length: usize,
    length_max: usize,
}

/// The errors of a request without an execution: no `data`, not even `null`.
#[derive(Serialize)]
struct Refused<'a> {
    errors: &'a [ServerError],
}

/// The answer as the client prefers it. `allowance` knows whether the request was executed.
pub async fn of(
    request: &HttpRequest,
    response: Response,
    allowance: Option<Arc<Allowance>>,
) -> HttpResponse {
    let media_type = MediaType::of(request);
    let is_executed = allowance
        .as_ref()
        .is_some_and(|allowance| allowance.is_executed());
    let status = if is_executed {
        StatusCode::OK
    } else {
        refusal(media_type, &response.errors)
    };
    let mut answer = HttpResponse::build(status);
    answer
        .content_type(media_type.name())
        // Status and bytes depend on both headers: a cache must not mix the answers.
        .insert_header((VARY, "accept, accept-encoding"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        answer.insert_header((ALLOW, "POST"));
    }
    let mut chunks = Chunks::up_to(ANSWER_BYTES_MAX);
    let written = if is_executed {
        serde_json::to_writer(&mut chunks, &response)
    } else {
        serde_json::to_writer(
            &mut chunks,
            &Refused {
                errors: &response.errors,
            },
        )
    };
    if written.is_err() {
        // Only its length can be wrong.
        return answer.json(too_large());
    }
    // The values take several times the memory of the text.
    drop(response);
    if chunks.length >= COMPRESSED_BYTES_MIN && takes(request, "gzip") {
        match compressed(chunks).await {
            Ok(smaller) => chunks = smaller,
            Err(_) => return answer.json(too_large()),
        }
        answer.insert_header((CONTENT_ENCODING, "gzip"));
    }
    let length = chunks.length;
    answer.body(Sending {
        chunks,
        length,
        _allowance: allowance.filter(|_| Allowance::is_large(length)),
    })
}

/// The answer to a body that is no GraphQL request; `what` it is instead.
pub fn malformed(request: &HttpRequest, what: &str, error: &serde_json::Error) -> HttpResponse {
    let media_type = MediaType::of(request);
    let status = match error.classify() {
        Category::Data => media_type.refused_with(StatusCode::BAD_REQUEST),
        // A body that is not JSON gets its status in any media type.
        Category::Syntax | Category::Eof | Category::Io => StatusCode::BAD_REQUEST,
    };
    let message = format!("{what}: {error}");
    HttpResponse::build(status)
        .content_type(media_type.name())
        .json(errors(&message, "BAD_USER_INPUT"))
}

/// One error in the form of GraphQL.
pub fn errors(message: &str, code: &str) -> Value {
    json!({"errors": [{"message": message, "extensions": {"code": code, "field": null}}]})
}

/// The status for the reason why a request was not executed.
fn refusal(media_type: MediaType, errors: &[ServerError]) -> StatusCode {
    if errors
        .iter()
        .any(|error| error.source::<OnlyByPost>().is_some())
    {
        return StatusCode::METHOD_NOT_ALLOWED;
    }
    let code = errors
        .first()
        .and_then(|error| error.extensions.as_ref()?.get("code"));
    media_type.refused_with(match code {
        Some(async_graphql::Value::String(code)) if code == "UNAUTHENTICATED" => {
            StatusCode::UNAUTHORIZED
        }
        Some(async_graphql::Value::String(code)) if code == "FORBIDDEN" => StatusCode::FORBIDDEN,
        Some(async_graphql::Value::String(code)) if code == "UNAVAILABLE" => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Some(async_graphql::Value::String(code)) if code == "INTERNAL" => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        _ => StatusCode::BAD_REQUEST,
    })
}

/// The answer compressed by the fastest gzip, about 5 ms of a core per megabyte. Other requests of
/// the thread run between two chunks.
async fn compressed(mut plain: Chunks) -> std::io::Result<Chunks> {
    let mut gzip = GzEncoder::new(Chunks::up_to(usize::MAX), Compression::fast());
    while let Some(chunk) = plain.next() {
        gzip.write_all(&chunk)?;
        if !plain.is_empty() {
            yield_now().await;
        }
    }
    gzip.finish()
}

impl Chunks {
    /// Accepts at most that many bytes.
    fn up_to(length_max: usize) -> Self {
        Self {
            full: VecDeque::new(),
            last: Vec::new(),
            length: 0,
            length_max,
        }
    }

    fn next(&mut self) -> Option<Bytes> {
        self.full
            .pop_front()
            .or_else(|| (!self.last.is_empty()).then(|| std::mem::take(&mut self.last).into()))
    }

    fn is_empty(&self) -> bool {
        self.full.is_empty() && self.last.is_empty()
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.length += bytes.len();
        if self.length > self.length_max {
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

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(self.chunks.next().map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[tokio::test]
    async fn an_answer_of_many_chunks_is_the_same_compressed() {
        let mut plain = Chunks::up_to(ANSWER_BYTES_MAX);
        let text = "0123456789 abc".repeat(CHUNK_BYTES / 5);
        for piece in text.as_bytes().chunks(1_000) {
            plain.write_all(piece).expect("room");
        }
        let mut smaller = compressed(plain).await.expect("room");
        assert!(smaller.length < text.len() / 10);
        let bytes: Vec<u8> = std::iter::from_fn(|| smaller.next()).flatten().collect();
        let mut read = String::new();
        flate2::read::GzDecoder::new(bytes.as_slice())
            .read_to_string(&mut read)
            .expect("gzip");
        assert!(read == text);
    }

    #[test]
    fn what_is_too_long_is_not_written() {
        let mut chunks = Chunks::up_to(10);
        assert!(chunks.write_all(&[b'x'; 10]).is_ok() && chunks.write_all(b"x").is_err());
    }
}
