//! Exchanges: a request with its answer, bounded at both ends.
//!
//! The body of a request comes within a time, whoever reads it. What a route has
//! not read of it when the answer is sent is not read on: the connection is closed.
//! The bodies of answers under way are bounded together, and leave in pieces, so
//! that a connection holds no copy of its own.

use super::connections::{Connection, UnderWay};
use super::graphql::refuse;
use actix_http::error::PayloadError;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage, web};
use futures_util::{Stream, StreamExt};
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// How long a request's body may take, in all.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of all answers of a node that are under way at once.
const ANSWERS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Answers up to this size always have room.
const SMALL_ANSWER_BYTES: usize = 64 * 1024;
/// Most bytes that are handed to a connection at once.
const PIECE_BYTES: usize = 32 * 1024;

/// How many bytes of answers are under way.
#[derive(Clone, Default)]
pub struct Answers(Arc<AtomicUsize>);

/// A share of them; dropped, it is free again.
struct Share {
    answers: Answers,
    bytes: usize,
}

impl Answers {
    /// Room for an answer, if there is any.
    fn admit(&self, bytes: usize) -> Option<Share> {
        let more = |under_way: usize| {
            let with_it = under_way.saturating_add(bytes);
            (bytes <= SMALL_ANSWER_BYTES || with_it <= ANSWERS_BYTES_MAX).then_some(with_it)
        };
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .ok()?;
        Some(Share {
            answers: self.clone(),
            bytes,
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.answers.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Puts the bounds around what the routes do.
pub async fn bound(
    answers: web::Data<Answers>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<Answer>, Error> {
    let under_way = request
        .request()
        .conn_data::<Arc<Connection>>()
        .map(Connection::begin);
    // `GET` has no body; but for a socket, which may be as long as it likes.
    let is_timed = request.method() != Method::GET;
    let body = Rc::new(RefCell::new(RequestBody {
        payload: request.take_payload(),
        timeout: is_timed.then(|| Box::pin(sleep(BODY_TIMEOUT))),
    }));
    request.set_payload(Payload::Stream {
        payload: Box::pin(Shared(body.clone())),
    });
    let response = next.call(request).await?.map_into_boxed_body();
    let bytes = match response.response().body().size() {
        BodySize::Sized(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
        BodySize::None | BodySize::Stream => 0,
    };
    let (response, share) = match answers.admit(bytes) {
        Some(share) => (response, Some(share)),
        None => (response.into_response(too_many_answers()), None),
    };
    Ok(response.map_body(|_, rest| Answer {
        body: rest,
        piece: Bytes::new(),
        _request: body,
        _under_way: under_way,
        _share: share,
    }))
}

fn too_many_answers() -> actix_web::HttpResponse {
    refuse(
        StatusCode::SERVICE_UNAVAILABLE,
        "this node is sending more answers than it can hold, and clients do not read them: ask for less, or later",
    )
}

/// A request's body, within its time.
struct RequestBody {
    payload: Payload,
    timeout: Option<Pin<Box<Sleep>>>,
}

/// The body as the routes read it. The answer holds it as well: a body that was
/// begun and let go would be read on, and thrown away, for ever.
struct Shared(Rc<RefCell<RequestBody>>);

impl Stream for Shared {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut body = self.0.borrow_mut();
        if let Poll::Ready(next) = body.payload.poll_next_unpin(context) {
            return Poll::Ready(next);
        }
        let Some(timeout) = &mut body.timeout else {
            return Poll::Pending;
        };
        ready!(timeout.as_mut().poll(context));
        Poll::Ready(Some(Err(PayloadError::Io(io::ErrorKind::TimedOut.into()))))
    }
}

/// The body of an answer, with what lasts as long as it is sent.
pub struct Answer {
    body: BoxBody,
    /// What is left of the body's last piece.
    piece: Bytes,
    _request: Rc<RefCell<RequestBody>>,
    _under_way: Option<UnderWay>,
    _share: Option<Share>,
}

impl MessageBody for Answer {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.piece.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_next(context)) {
                Some(Ok(piece)) => self.piece = piece,
                end => return Poll::Ready(end),
            }
        }
        let length = self.piece.len().min(PIECE_BYTES);
        Poll::Ready(Some(Ok(self.piece.split_to(length))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_are_not_read_are_bounded_together_and_small_ones_always_go() {
        let answers = Answers::default();
        let large = answers.admit(ANSWERS_BYTES_MAX - 1).expect("room");
        assert!(answers.admit(SMALL_ANSWER_BYTES + 1).is_none());
        drop(answers.admit(SMALL_ANSWER_BYTES).expect("it is small"));
        drop(large);
        assert!(answers.admit(ANSWERS_BYTES_MAX).is_some());
        assert_eq!(answers.0.load(Ordering::Relaxed), 0);
    }
}
