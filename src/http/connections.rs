//! Connections: their number, and the time that each may make the node wait.
//!
//! A connection costs memory and a descriptor, and webhooks need descriptors, too. At the bound,
//! the next client replaces another connection: of the client with the most connections, the one
//! that has been silent longest. Thousands of incomplete requests therefore do not stop the health
//! check of a load balancer.
//!
//! actix-web bounds the head of a connection's first request and the pause between two requests.
//! This file has the other bounds: later heads, and answers that are not read.

use crate::model::access::client_of;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// Longest time without the complete head of a request.
const IDLE_MAX: Duration = Duration::from_secs(15);
/// In this time, a client with unread bytes of an answer …
const STALL_MAX: Duration = Duration::from_secs(15);
/// … must read this much: a fifth of the kernel's buffer for it.
const STALL_BYTES_MIN: usize = 48 * 1024;
/// Interval of the checks of a connection.
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// Connections above the bound, while the connections that they replace end.
const CLOSING_MAX: usize = 64;

/// The open connections of a node.
#[derive(Clone)]
pub struct Connections(Arc<Open>);

struct Open {
    max: usize,
    connections: Mutex<Vec<Arc<Connection>>>,
}

/// The facts about a connection.
pub struct Connection {
    client: IpAddr,
    opened: Instant,
    /// Last bytes of the client, in milliseconds since the connection was opened.
    heard: AtomicU64,
    /// Last time without a request in progress, in the same unit.
    idle_since: AtomicU64,
    requests: AtomicUsize,
    is_closing: AtomicBool,
    waker: AtomicWaker,
}

/// A request in progress. Its drop means that it was answered.
pub struct UnderWay(Arc<Connection>);

impl Connections {
    /// A bound of `max` simultaneous connections.
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Open {
            max,
            connections: Mutex::default(),
        }))
    }

    /// Most accepted connections, including those that are being closed.
    pub fn accepted_max(&self) -> usize {
        self.0.max + CLOSING_MAX
    }

    /// Accepts a connection, and closes another one at the bound.
    pub fn admit(&self, io: TcpStream) -> io::Result<Watched> {
        // Answers leave in pieces. With Nagle's algorithm the last one waits for the client's
        // delayed acknowledgement, 40 ms.
        io.set_nodelay(true)?;
        let address = io
            .peer_addr()
            .map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.ip());
        let connection = self
            .open(client_of(address))
            .ok_or(io::ErrorKind::ConnectionAborted)?;
        let check = Box::pin(sleep(CHECK_EVERY));
        Ok(Watched {
            io,
            connection,
            connections: self.clone(),
            check,
            stalled: None,
            read_waits: false,
        })
    }

    fn open(&self, client: IpAddr) -> Option<Arc<Connection>> {
        let mut open = self.0.connections.lock();
        if open.len() >= self.accepted_max() {
            return None;
        }
        if open.iter().filter(|other| other.is_living()).count() >= self.0.max {
            let mut of_clients: HashMap<IpAddr, usize> = HashMap::new();
            for other in open.iter().filter(|other| other.is_living()) {
                *of_clients.entry(other.client).or_default() += 1;
            }
            let quietest = open
                .iter()
                .filter(|other| other.is_living())
                .max_by_key(|other| (of_clients[&other.client], other.silence()));
            quietest.inspect(|other| other.close());
        }
        let connection = Arc::new(Connection::new(client));
        open.push(connection.clone());
        count(open.len());
        Some(connection)
    }

    fn closed(&self, connection: &Arc<Connection>) {
        let mut open = self.0.connections.lock();
        open.retain(|other| !Arc::ptr_eq(other, connection));
        count(open.len());
    }
}

fn count(open: usize) {
    metrics::gauge!("horolog_http_connections")
        .set(u32::try_from(open).map_or(f64::MAX, f64::from));
}

impl Connection {
    fn new(client: IpAddr) -> Self {
        Self {
            client,
            opened: Instant::now(),
            heard: AtomicU64::new(0),
            idle_since: AtomicU64::new(0),
            requests: AtomicUsize::new(0),
            is_closing: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        }
    }

    fn is_living(&self) -> bool {
        !self.is_closing.load(Ordering::Relaxed)
    }

    /// Milliseconds since the connection was opened.
    fn age(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn silence(&self) -> u64 {
        self.age()
            .saturating_sub(self.heard.load(Ordering::Relaxed))
    }

    fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
        // The task of the connection waits for the client: without a wake-up the flag goes unseen.
        self.waker.wake();
    }

    /// Records the arrival of a request.
    pub fn begin(self: &Arc<Self>) -> UnderWay {
        self.requests.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    fn is_idle_for_too_long(&self) -> bool {
        let idle = self
            .age()
            .saturating_sub(self.idle_since.load(Ordering::Relaxed));
        self.requests.load(Ordering::Relaxed) == 0 && u128::from(idle) >= IDLE_MAX.as_millis()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        // In this order: a check in between would see no request and an old time.
        self.0.idle_since.store(self.0.age(), Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The stream of a connection. It fails when a bound is exceeded.
pub struct Watched {
    io: TcpStream,
    connection: Arc<Connection>,
    connections: Connections,
    check: Pin<Box<Sleep>>,
    stalled: Option<Stall>,
    /// Whether a read waits until all bytes are written.
    read_waits: bool,
}

/// Start of a backlog, and the bytes that the client has read since then.
#[derive(Clone, Copy)]
struct Stall {
    since: Instant,
    taken: usize,
}

impl Watched {
    /// The facts about the connection, for its requests.
    pub fn connection(&self) -> Arc<Connection> {
        self.connection.clone()
    }

    /// The first byte of the client, which stays to be read. `None`: the client closed.
    pub async fn first_byte(&self) -> io::Result<Option<u8>> {
        let mut first = [0];
        let read = self.io.peek(&mut first).await?;
        Ok((read > 0).then_some(first[0]))
    }

    /// Address of the client.
    pub fn peer(&self) -> Option<std::net::SocketAddr> {
        self.io.peer_addr().ok()
    }

    /// Fails if another connection needs the place, or a bound is exceeded. Called on every poll
    /// that has nothing else to do.
    fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        self.connection.waker.register(context.waker());
        if self.connection.is_closing.load(Ordering::Relaxed) {
            return Poll::Ready(io::ErrorKind::ConnectionAborted.into());
        }
        // After a check the timer is polled again, to register the waker for the next one.
        loop {
            ready!(self.check.as_mut().poll(context));
            if self.connection.is_idle_for_too_long() || self.is_stalled() {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.check.as_mut().reset(Instant::now() + CHECK_EVERY);
        }
    }

    /// Whether the client has read too little for too long. After enough reading, the time starts
    /// again.
    fn is_stalled(&mut self) -> bool {
        let Some(stall) = self
            .stalled
            .filter(|stall| stall.since.elapsed() >= STALL_MAX)
        else {
            return false;
        };
        self.stalled = Some(Stall {
            since: Instant::now(),
            taken: 0,
        });
        stall.taken < STALL_BYTES_MIN
    }

    /// Whether complete answers wait for a client that does not read. The server bounds waiting
    /// bodies, but not the heads of answers without a body: they would pile up for a client that
    /// continues to send requests.
    fn owes_answers(&self) -> bool {
        self.stalled.is_some() && self.connection.requests.load(Ordering::Relaxed) == 0
    }

    /// Records the result of a write.
    fn wrote(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                if let Some(stall) = &mut self.stalled {
                    stall.taken += bytes;
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                self.stalled.get_or_insert_with(|| Stall {
                    since: Instant::now(),
                    taken: 0,
                });
                self.poll_over(context).map(Err)
            }
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.connections.closed(&self.connection);
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.owes_answers() {
            self.read_waits = true;
            return self.poll_over(context).map(Err);
        }
        let before = buffer.filled().len();
        match Pin::new(&mut self.io).poll_read(context, buffer) {
            Poll::Ready(read) => {
                if buffer.filled().len() > before {
                    self.connection
                        .heard
                        .store(self.connection.age(), Ordering::Relaxed);
                }
                Poll::Ready(read)
            }
            Poll::Pending => self.poll_over(context).map(Err),
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.wrote(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The server flushes when all its bytes are written.
        self.stalled = None;
        if std::mem::take(&mut self.read_waits) {
            // The read that was put off has registered no waker at the socket.
            context.waker().wake_by_ref();
        }
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[tokio::test]
    async fn the_last_piece_of_an_answer_does_not_wait_for_an_acknowledgement() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let _client = TcpStream::connect(listener.local_addr().expect("an address"))
            .await
            .expect("a connection");
        let (io, _) = listener.accept().await.expect("a connection");
        let watched = Connections::new(1).admit(io).expect("room");
        assert!(watched.io.nodelay().expect("an option"));
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_whole_answers_is_not_read_either() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let mut client = TcpStream::connect(listener.local_addr().expect("an address"))
            .await
            .expect("a connection");
        let (io, _) = listener.accept().await.expect("a connection");
        let mut watched = Connections::new(1).admit(io).expect("room");
        client
            .write_all(b"once more")
            .await
            .expect("room in the kernel");
        watched.io.readable().await.expect("it has come");

        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut sent = 0;
        while let Poll::Ready(written) =
            Pin::new(&mut watched).poll_write(&mut context, &vec![b'x'; 65_536])
        {
            sent += written.expect("the client is there");
        }
        let mut bytes = [0; 9];
        let mut poll_read = |watched: &mut Watched| {
            let mut buffer = ReadBuf::new(&mut bytes);
            Pin::new(watched)
                .poll_read(
                    &mut Context::from_waker(std::task::Waker::noop()),
                    &mut buffer,
                )
                .is_ready()
        };
        assert!(
            !poll_read(&mut watched),
            "the client owes the reading of {sent} bytes"
        );

        client
            .read_exact(&mut vec![0; sent])
            .await
            .expect("they have come");
        watched.flush().await.expect("the client is there");
        assert!(poll_read(&mut watched));
    }

    #[test]
    fn a_full_node_closes_a_connection_of_the_client_that_has_the_most() {
        let connections = Connections::new(3);
        let open = |last| connections.open(client(last)).expect("room");
        let is_closing =
            |connection: &Arc<Connection>| connection.is_closing.load(Ordering::Relaxed);
        let (single, first, second) = (open(1), open(2), open(2));
        first.heard.store(u64::MAX, Ordering::Relaxed); // it has just said something
        let third = open(3);
        assert!(
            is_closing(&second)
                && !is_closing(&first)
                && !is_closing(&single)
                && !is_closing(&third)
        );
        connections.closed(&second);
        open(1);
        assert_eq!(
            [&single, &first, &third]
                .map(is_closing)
                .iter()
                .filter(|closing| **closing)
                .count(),
            1,
            "all have as many"
        );
        let refused = (0..=CLOSING_MAX).find(|_| connections.open(client(4)).is_none());
        assert!(
            refused.is_some(),
            "nothing is taken while those that are closed do not end"
        );
    }
}
