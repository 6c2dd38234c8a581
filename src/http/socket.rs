//! A socket: from frames to messages of GraphQL, and back.
//!
//! The socket is the body of an HTTP answer, and works only when polled by the server: for a client
//! that does not read, no message is made, and the feeds drop the oldest events. A socket therefore
//! has a message to read (bounded over all frames), a message to write, and the buffer of the
//! connection.

use super::socket_access::{Closing, SocketAccess};
use crate::api::{Schema, Transport};
use actix_http::body::BodyStream;
use actix_http::ws::{CloseCode, CloseReason, Codec, Frame, Item, Message, ProtocolError};
use actix_web::web;
use actix_web::web::{Bytes, BytesMut};
use async_graphql::http::{ClientMessage, WebSocket, WebSocketProtocols, WsMessage};
use async_graphql::{Data, ErrorExtensions, Executor, Request, Response};
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{self, BoxStream, LocalBoxStream};
use futures_util::{FutureExt, StreamExt};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, interval, sleep_until};
use tokio_util::codec::{Decoder, Encoder};

/// Largest message of a client, in bytes of all its frames.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Largest frame: such a message with the longest head (RFC 6455, 5.2).
const FRAME_BYTES_MAX: usize = MESSAGE_BYTES_MAX + 14;
/// Largest event, in bytes.
const EVENT_BYTES_MAX: usize = 1024 * 1024;
/// Longest id of an operation, in bytes: each of its events repeats it.
const ID_BYTES_MAX: usize = 128;
/// Most simultaneous operations.
const OPERATIONS_MAX: usize = 20;
/// Longest time until `connection_init`.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// Interval of the pings.
const PING_EVERY: Duration = Duration::from_secs(5);
/// Longest silence of a client, without even a pong.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// Codes of graphql-transport-ws:
/// <https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>.
const INVALID_MESSAGE: u16 = 4400;
const INIT_TIMED_OUT: u16 = 4408;
/// The error of `async-graphql` for a silent client.
const TIMED_OUT: u16 = 3008;

/// The body of the answer that opens a socket.
pub fn body(
    schema: Schema,
    protocol: WebSocketProtocols,
    access: SocketAccess,
    payload: web::Payload,
) -> BodyStream<LocalBoxStream<'static, Result<Bytes, Infallible>>> {
    let socket = Socket::new(schema, protocol, access, payload);
    BodyStream::new(stream::unfold(socket, Socket::next).boxed_local())
}

struct Socket {
    frames: Frames,
    /// Messages of the client for `answers`.
    messages: mpsc::UnboundedSender<serde_json::Result<ClientMessage>>,
    answers: LocalBoxStream<'static, WsMessage>,
    access: SocketAccess,
    /// Resolves when the caller has lost its access.
    lost: LocalBoxFuture<'static, Closing>,
    initialised: Arc<AtomicBool>,
    opened: Instant,
    heard: Instant,
    pings: Interval,
    is_closed: bool,
}

impl Socket {
    fn new(
        schema: Schema,
        protocol: WebSocketProtocols,
        access: SocketAccess,
        payload: web::Payload,
    ) -> Self {
        let (messages, mut received) = mpsc::unbounded_channel();
        let received = stream::poll_fn(move |context| received.poll_recv(context));
        let initialised = Arc::new(AtomicBool::new(false));
        let begun = initialised.clone();
        let operations = Operations {
            schema,
            access: access.clone(),
            open: Arc::default(),
        };
        let of_init = access.clone();
        // Operations are refused until this has resolved.
        let answers = WebSocket::from_message_stream(operations, received, protocol)
            .on_connection_init(move |payload: serde_json::Value| async move {
                // Before the database is asked: a slow answer is no missing `connection_init`.
                begun.store(true, Ordering::Relaxed);
                match of_init.begin(&payload).await {
                    Ok(()) => Ok(Data::default()),
                    Err(refused) => Err(async_graphql::Error::new(refused.reason)),
                }
            });
        let now = Instant::now();
        Self {
            frames: Frames::new(payload),
            messages,
            answers: answers.boxed_local(),
            lost: access.clone().lost().boxed_local(),
            access,
            initialised,
            opened: now,
            heard: now,
            pings: interval(PING_EVERY),
            is_closed: false,
        }
    }

    /// The next bytes for the client. `None`: the socket is closed.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if self.is_closed {
            return None;
        }
        let message = self.next_message().await?;
        self.is_closed = matches!(message, Message::Close(_));
        let mut bytes = BytesMut::new();
        // The codec refuses only continuations, and this socket sends none.
        self.frames.codec.encode(message, &mut bytes).ok()?;
        Some((Ok(bytes.freeze()), self))
    }

    /// The next message for the client. `None`: the client is gone.
    async fn next_message(&mut self) -> Option<Message> {
        loop {
            // Until `connection_init`, pongs do not prolong the limit.
            let deadline = if self.initialised.load(Ordering::Relaxed) {
                self.heard + SILENCE_MAX
            } else {
                self.opened + INIT_TIMEOUT
            };
            // The access comes first, or a busy client would keep it. Answers come before frames:
            // the messages of a client that continues to send must not pile up.
            tokio::select! {
                biased;
                lost = &mut self.lost => return Some(close(lost.code, &lost.reason)),
                answer = self.answers.next() => return Some(self.said(answer)),
                () = sleep_until(deadline) => return Some(self.timed_out()),
                _ = self.pings.tick() => return Some(Message::Ping(Bytes::new())),
                frame = self.frames.next() => {
                    // Any frame is a sign of life, also a pong.
                    self.heard = Instant::now();
                    match frame {
                        Ok(Some(frame)) => if let Some(message) = self.hear(frame) { return Some(message) },
                        Ok(None) => return None,
                        Err(error) => return Some(broken(&error)),
                    }
                }
            }
        }
    }

    /// An answer of GraphQL as a message of the socket. `None`: the last one was sent.
    fn said(&self, answer: Option<WsMessage>) -> Message {
        // GraphQL knows no code for a refused `connection_init`.
        match (self.access.refused(), answer) {
            (Some(refused), _) => close(refused.code, &refused.reason),
            (None, Some(answer)) => said(answer),
            (None, None) => Message::Close(None),
        }
    }

    fn timed_out(&self) -> Message {
        if self.initialised.load(Ordering::Relaxed) {
            close(TIMED_OUT, "timeout")
        } else {
            close(INIT_TIMED_OUT, "Connection initialisation timeout")
        }
    }

    /// Handles a frame of the client; the result is the immediate answer.
    fn hear(&mut self, frame: Frame) -> Option<Message> {
        let text = match frame {
            Frame::Text(text) | Frame::Binary(text) => text,
            Frame::Continuation(item) => match self.frames.join(item) {
                Ok(whole) => whole?,
                Err(error) => return Some(broken(&error)),
            },
            Frame::Ping(bytes) => return Some(Message::Pong(bytes)),
            Frame::Pong(_) => return None,
            Frame::Close(reason) => return Some(Message::Close(reason)),
        };
        let message = ClientMessage::from_bytes(&text);
        if let Ok(ClientMessage::Start { id, .. } | ClientMessage::Stop { id }) = &message
            && id.len() > ID_BYTES_MAX
        {
            return Some(close(
                INVALID_MESSAGE,
                &format!("an id is at most {ID_BYTES_MAX} bytes"),
            ));
        }
        // The receiver lives as long as `answers`.
        drop(self.messages.send(message));
        None
    }
}

/// An answer of GraphQL as a message of the socket.
fn said(message: WsMessage) -> Message {
    match message {
        WsMessage::Text(text) if text.len() > EVENT_BYTES_MAX => close(
            u16::from(CloseCode::Size),
            &format!("an event is larger than {EVENT_BYTES_MAX} bytes: ask for less of it"),
        ),
        WsMessage::Text(text) => Message::Text(text.into()),
        WsMessage::Close(code, reason) => close(code, &reason),
    }
}

fn close(code: u16, reason: &str) -> Message {
    // The reason of a close frame has at most 123 bytes.
    let reason = &reason[..reason.floor_char_boundary(123)];
    Message::Close(Some(CloseReason {
        code: code.into(),
        description: Some(reason.to_owned()),
    }))
}

fn broken(error: &ProtocolError) -> Message {
    match error {
        ProtocolError::Overflow => close(
            u16::from(CloseCode::Size),
            &format!("a message is at most {MESSAGE_BYTES_MAX} bytes"),
        ),
        error => close(u16::from(CloseCode::Protocol), &error.to_string()),
    }
}

/// The frames of a client.
struct Frames {
    payload: web::Payload,
    buffer: BytesMut,
    codec: Codec,
    /// A message with missing frames.
    begun: BytesMut,
}

impl Frames {
    fn new(payload: web::Payload) -> Self {
        Self {
            payload,
            buffer: BytesMut::new(),
            codec: Codec::new().max_size(MESSAGE_BYTES_MAX),
            begun: BytesMut::new(),
        }
    }

    /// The next frame. `None`: the end. A drop while it waits loses no bytes.
    async fn next(&mut self) -> Result<Option<Frame>, ProtocolError> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.buffer)? {
                return Ok(Some(frame));
            }
            // The codec checks a complete frame; a frame that announces exabytes is never complete.
            if self.buffer.len() > FRAME_BYTES_MAX {
                return Err(ProtocolError::Overflow);
            }
            match self.payload.next().await {
                Some(Ok(bytes)) => self.buffer.extend_from_slice(&bytes),
                Some(Err(_)) | None => return Ok(None),
            }
        }
    }

    /// Joins the frames of one message. `None`: frames are missing.
    fn join(&mut self, item: Item) -> Result<Option<Bytes>, ProtocolError> {
        let (bytes, is_last) = match item {
            Item::FirstText(bytes) | Item::FirstBinary(bytes) => {
                self.begun.clear();
                (bytes, false)
            }
            Item::Continue(bytes) => (bytes, false),
            Item::Last(bytes) => (bytes, true),
        };
        if self.begun.len() + bytes.len() > MESSAGE_BYTES_MAX {
            return Err(ProtocolError::Overflow);
        }
        self.begun.extend_from_slice(&bytes);
        Ok(is_last.then(|| std::mem::take(&mut self.begun).freeze()))
    }
}

/// The operations of one socket: only subscriptions, and a bounded number of them.
#[derive(Clone)]
struct Operations {
    schema: Schema,
    access: SocketAccess,
    open: Arc<AtomicUsize>,
}

/// Counts one operation until its drop.
struct Operation(Arc<AtomicUsize>);

impl Operation {
    fn begin(open: &Arc<AtomicUsize>) -> Option<Self> {
        open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
            (open < OPERATIONS_MAX).then_some(open + 1)
        })
        .ok()?;
        Some(Self(open.clone()))
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Executor for Operations {
    async fn execute(&self, request: Request) -> Response {
        match self.access.admit(request) {
            Some(request) => self.schema.execute(request).await,
            None => unauthenticated(),
        }
    }

    fn execute_stream(
        &self,
        request: Request,
        session: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        let Some(request) = self.access.admit(request) else {
            return stream::iter([unauthenticated()]).boxed();
        };
        let Some(operation) = Operation::begin(&self.open) else {
            return stream::iter([too_many()]).boxed();
        };
        let transport = Transport::Socket(request.operation_name.clone());
        let request = request.data(self.access.subscriber()).data(transport);
        let events = self
            .schema
            .execute_stream_with_session_data(request, session.unwrap_or_default());
        let events = events.map(move |event| {
            // The closure owns the place of the operation until the stream is dropped.
            let _counted = &operation;
            event
        });
        events.boxed()
    }
}

/// The answer to an operation before the caller is known.
fn unauthenticated() -> Response {
    let error = async_graphql::Error::new("the caller of the socket is not known yet");
    let error = error.extend_with(|_, extensions| extensions.set("code", "UNAUTHENTICATED"));
    Response::from_errors(vec![error.into_server_error(async_graphql::Pos::default())])
}

fn too_many() -> Response {
    let error = async_graphql::Error::new(format!(
        "a socket has at most {OPERATIONS_MAX} operations at once: end one"
    ));
    let error = error.extend_with(|_, extensions| extensions.set("code", "UNAVAILABLE"));
    Response::from_errors(vec![error.into_server_error(async_graphql::Pos::default())])
}
