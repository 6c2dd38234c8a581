//! A wire that can be cut: a TCP proxy between a node and a server.
//!
//! A silent wire holds the bytes and delivers them when the wire is whole again, as a network with
//! retransmission does: late arrivals are the interesting part.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The state of the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wire {
    /// Nothing passes from the client to the server.
    pub silent_out: bool,
    /// Nothing passes from the server to the client.
    pub silent_back: bool,
    /// Delay of every piece, in each direction.
    pub delay: Duration,
    /// New connections are refused, and existing ones were reset.
    pub refused: bool,
}

/// The proxy; it ends with the runtime.
pub struct Proxy {
    /// Address of the proxy.
    pub address: SocketAddr,
    wire: watch::Sender<Wire>,
}

impl Proxy {
    /// A whole wire to `server`, listening on a free port of loopback.
    pub async fn to(server: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = Self {
            address: listener.local_addr()?,
            wire: watch::Sender::new(Wire::default()),
        };
        let wire = proxy.wire.subscribe();
        tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                tokio::spawn(connect(client, server, wire.clone()));
            }
        });
        Ok(proxy)
    }

    /// Changes the wire, for existing connections, too.
    pub fn set(&self, wire: Wire) {
        self.wire.send_replace(wire);
    }
}

async fn connect(client: TcpStream, server: SocketAddr, wire: watch::Receiver<Wire>) {
    // A connection request is lost like everything else.
    if wire.borrow().refused {
        reset(&client);
        return;
    }
    let mut patience = wire.clone();
    if patience.wait_for(|wire| !wire.silent_out).await.is_err() {
        return;
    }
    let Ok(upstream) = TcpStream::connect(server).await else {
        reset(&client);
        return;
    };
    // A receiver of its own: each waits for another change of the wire.
    let mut refused = wire.clone();
    let torn = {
        // Small pieces must not wait for each other: only the wire delays.
        let (_, _) = (client.set_nodelay(true), upstream.set_nodelay(true));
        let (mut from_client, mut to_client) = tokio::io::split(client);
        let (mut from_server, mut to_server) = tokio::io::split(upstream);
        let out = pump(&mut from_client, &mut to_server, wire.clone(), |wire| {
            wire.silent_out
        });
        let back = pump(&mut from_server, &mut to_client, wire.clone(), |wire| {
            wire.silent_back
        });
        let torn = tokio::select! {
            // An end is passed on at once: a killed process's sessions end with it.
            () = out => false,
            () = back => false,
            _ = refused.wait_for(|wire| wire.refused) => true,
        };
        torn.then(|| {
            (
                from_client.unsplit(to_client),
                from_server.unsplit(to_server),
            )
        })
    };
    if let Some((client, upstream)) = torn {
        reset(&client);
        reset(&upstream);
    }
}

/// Makes the following close a reset.
fn reset(stream: &TcpStream) {
    // A socket that is already gone needs no reset.
    let _ = stream.set_zero_linger();
}

async fn pump(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    mut wire: watch::Receiver<Wire>,
    silent: impl Fn(&Wire) -> bool,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await;
        let delay = wire.borrow().delay;
        // The delay of a piece holds the next one back, too: the order of bytes stays.
        tokio::time::sleep(delay).await;
        // The end waits behind the silence too.
        if wire.wait_for(|wire| !silent(wire)).await.is_err() {
            return;
        }
        match read {
            Ok(count @ 1..) if to.write_all(&buffer[..count]).await.is_ok() => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wire to an echo server, and a client of the wire.
    async fn echo() -> (Proxy, TcpStream) {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let proxy = Proxy::to(server.local_addr().expect("bound"))
            .await
            .expect("a free port");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = server.accept().await {
                let mut buffer = [0; 64];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    stream
                        .write_all(&buffer[..count])
                        .await
                        .expect("the client listens");
                }
            }
        });
        let client = TcpStream::connect(proxy.address)
            .await
            .expect("the proxy listens");
        (proxy, client)
    }

    async fn hears(client: &mut TcpStream, wanted: &[u8]) {
        let mut heard = vec![0; wanted.len()];
        client
            .read_exact(&mut heard)
            .await
            .expect("the wire is whole");
        assert_eq!(heard, wanted);
    }

    #[tokio::test]
    async fn what_was_sent_into_silence_arrives_late_and_whole() {
        let (proxy, mut client) = echo().await;
        client.write_all(b"one").await.expect("open");
        hears(&mut client, b"one").await;
        for silent in [
            Wire {
                silent_out: true,
                ..Wire::default()
            },
            Wire {
                silent_back: true,
                ..Wire::default()
            },
        ] {
            proxy.set(silent);
            client.write_all(b"two").await.expect("open");
            let nothing =
                tokio::time::timeout(Duration::from_millis(100), client.peek(&mut [0; 1])).await;
            assert!(nothing.is_err(), "{silent:?}");
            proxy.set(Wire::default());
            hears(&mut client, b"two").await;
        }
    }

    #[tokio::test]
    async fn a_wire_that_is_refused_resets_what_there_is_and_what_comes() {
        let (proxy, mut client) = echo().await;
        client.write_all(b"one").await.expect("open");
        hears(&mut client, b"one").await;
        proxy.set(Wire {
            refused: true,
            ..Wire::default()
        });
        let error = client.read(&mut [0; 1]).await.expect_err("it is reset");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        let mut late = TcpStream::connect(proxy.address)
            .await
            .expect("the listener is there");
        assert!(
            late.read(&mut [0; 1])
                .await
                .map_or(true, |count| count == 0),
            "no answer comes"
        );
    }
}
