//! TLS of a node with a certificate: the handshake, and the stream afterwards.

use super::certificate::Certificate;
use super::connections::{Connection, Watched};
use rustls::ServerConfig;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Longest time for a handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// First byte of a TLS connection: the type of a handshake record (RFC 8446, 5.1).
const HANDSHAKE_RECORD: u8 = 22;
/// The answer to a client that speaks HTTP without TLS.
const USE_HTTPS: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
     content-length: 41\r\nconnection: close\r\n\r\nthis address speaks TLS: use https://…\n";

/// Accepts connections with TLS, or without.
#[derive(Clone, Default)]
pub struct Tls(Option<TlsAcceptor>);

/// The stream of an accepted connection.
pub enum Wire {
    /// A stream without TLS.
    Plain(Watched),
    /// A stream after the handshake.
    Encrypted(Box<TlsStream<Watched>>),
}

/// Marks the connections whose requests arrive over TLS of this node.
pub struct Encrypted;

impl Tls {
    /// TLS 1.2 and 1.3 with this certificate.
    pub fn with(certificate: Arc<Certificate>) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(certificate);
        // The server has no HTTP/2: its connections are built with `h1`.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Some(TlsAcceptor::from(Arc::new(config)))))
    }

    /// Whether connections are encrypted.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Completes the handshake of a connection. A client that speaks plain HTTP is told so.
    pub async fn accept(&self, mut io: Watched) -> io::Result<Wire> {
        let Some(acceptor) = &self.0 else {
            return Ok(Wire::Plain(io));
        };
        let handshake = async {
            if io.first_byte().await? != Some(HANDSHAKE_RECORD) {
                io.write_all(USE_HTTPS.as_bytes()).await?;
                io.shutdown().await?;
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a client speaks HTTP without TLS",
                ));
            }
            let stream = acceptor.accept(io).await?;
            Ok(Wire::Encrypted(Box::new(stream)))
        };
        // The limit covers the first byte: a silent client would occupy a connection.
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await {
            Ok(wire) => wire,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Wire {
    /// The facts about the connection, for its requests.
    pub fn connection(&self) -> Arc<Connection> {
        self.watched().connection()
    }

    /// Address of the client.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.watched().peer()
    }

    /// Whether the connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        matches!(self, Self::Encrypted(_))
    }

    fn watched(&self) -> &Watched {
        match self {
            Self::Plain(io) => io,
            Self::Encrypted(stream) => stream.get_ref().0,
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_read(context, buffer),
            Self::Encrypted(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write(context, bytes),
            Self::Encrypted(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_flush(context),
            Self::Encrypted(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_shutdown(context),
            Self::Encrypted(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_without_tls_has_its_length() {
        let (head, body) = USE_HTTPS.split_once("\r\n\r\n").expect("a head and a body");
        let length = format!("content-length: {}\r\n", body.len());
        assert!(head.contains(&length), "{length}");
    }
}
