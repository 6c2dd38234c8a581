//! A webhook target made by hand: it keeps each request, byte for byte, and gives any answer that a
//! test needs, also answers that no web framework would send.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use url::Url;

/// A listener on a free port.
pub struct Sink {
    listener: TcpListener,
    pub port: u16,
}

/// A request as it arrived; header names are lower case.
pub struct Request {
    pub line: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Sink {
    /// Listens on all addresses, IPv4 and IPv6: nothing may slip past.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("[::]:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        Self { listener, port }
    }

    pub fn url(&self, path: &str) -> Url {
        format!("http://127.0.0.1:{}{path}", self.port)
            .parse()
            .expect("a URL")
    }

    /// Takes one connection and reads its request.
    pub async fn accept(&self) -> (TcpStream, Request) {
        let (mut stream, _) = self.next().await;
        let request = read_request(&mut stream).await;
        (stream, request)
    }

    /// Reads the next request of a connection that was kept.
    pub async fn read(&self, stream: &mut TcpStream) -> Request {
        read_request(stream).await
    }

    /// Takes one connection, reads the first bytes, and answers.
    pub async fn answer_blindly(&self, response: &str) {
        let (mut stream, _) = self.next().await;
        let mut first = vec![0; 64 * 1024]; // unread bytes would turn the close into a reset
        assert_ne!(
            stream.read(&mut first).await.expect("readable"),
            0,
            "the client said nothing"
        );
        stream
            .write_all(response.as_bytes())
            .await
            .expect("the client listens");
    }

    /// Takes one connection, answers its request and closes the connection.
    pub async fn answer(&self, response: &str) -> Request {
        let (mut stream, request) = self.accept().await;
        stream
            .write_all(response.as_bytes())
            .await
            .expect("the client listens");
        request
    }

    /// The next connection; a test without one fails instead of hanging.
    async fn next(&self) -> (TcpStream, SocketAddr) {
        let accepted = timeout(Duration::from_secs(10), self.listener.accept()).await;
        accepted
            .expect("nobody connected to the sink")
            .expect("a connection")
    }

    /// Connections queue in order: if the first to come out is the one made
    /// here, none came before it. So absence needs no waiting.
    pub async fn expect_untouched(&self) {
        let sentinel = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], self.port)))
            .await
            .expect("the sink listens");
        let (_, peer) = self.next().await;
        let sentinel = sentinel.local_addr().expect("connected");
        assert_eq!(
            peer.port(),
            sentinel.port(),
            "somebody connected to the sink"
        );
    }
}

async fn read_request(stream: &mut TcpStream) -> Request {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        assert_ne!(
            stream.read_buf(&mut bytes).await.expect("readable"),
            0,
            "the request ended early"
        );
    };
    let mut body = bytes.split_off(head_end + 4);
    let head = String::from_utf8(bytes).expect("text");
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next().expect("a request line").to_owned();
    let mut headers = BTreeMap::new();
    for header in lines {
        let (name, value) = header.split_once(": ").expect("a header");
        assert!(
            headers
                .insert(name.to_ascii_lowercase(), value.to_owned())
                .is_none(),
            "{name} came twice"
        );
    }
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().expect("a number"));
    while body.len() < length {
        assert_ne!(
            stream.read_buf(&mut body).await.expect("readable"),
            0,
            "the body ended early"
        );
    }
    Request {
        line,
        headers,
        body: String::from_utf8(body).expect("text"),
    }
}
