//! Exchanges: a request with its answer, bounded at both ends.
//!
//! The body of a request must arrive within a time limit. The rest of a body that no route has read
//! when the answer is sent is not read: the connection is closed. The bodies of all answers in
//! progress share a bound, and leave in pieces, so that a connection has no copy of its own.

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

/// Longest time for the body of a request.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of all answers in progress of a node.
const ANSWERS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Largest answer outside that bound.
const SMALL_ANSWER_BYTES: usize = 64 * 1024;
/// Most bytes of one piece for a connection.
const PIECE_BYTES: usize = 32 * 1024;

/// Bytes of the answers in progress.
#[derive(Clone, Default)]
pub struct Answers(Arc<AtomicUsize>);

/// The share of an answer, until the drop.
struct Share {
    answers: Answers,
    bytes: usize,
}

impl Answers {
    /// Reserves room for an answer. `None`: there is none.
    fn admit(&self, bytes: usize) -> Option<Share> {
        // Check and reservation in one step: two answers at once could both fit into the same room.
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |under_way| {
                let with_it = under_way.saturating_add(bytes);
                (bytes <= SMALL_ANSWER_BYTES || with_it <= ANSWERS_BYTES_MAX).then_some(with_it)
            })
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

/// Applies the bounds around the routes.
pub async fn bound(
    answers: web::Data<Answers>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<Answer>, Error> {
    let under_way = request
        .request()
        .conn_data::<Arc<Connection>>()
        .map(Connection::begin);
    // `GET` has no body, except for a socket, where there is no time limit.
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
        // Only sockets are streams, with a bound on each message.
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

/// The body of a request, with its time limit.
struct RequestBody {
    payload: Payload,
    timeout: Option<Pin<Box<Sleep>>>,
}

/// The body as the routes read it. The answer keeps a reference, because the server reads and
/// discards the rest of a body that was dropped, for any length.
struct Shared(Rc<RefCell<RequestBody>>);

impl Stream for Shared {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut body = self.0.borrow_mut();
        // A body that has arrived is read even when the route was slow.
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

/// The body of an answer, with the values that live until it is sent.
pub struct Answer {
    body: BoxBody,
    /// The rest of the last piece of the body.
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
