//! A wire that can be cut: a TCP proxy between a node and a server.
//!
//! Silence holds what was sent and delivers it when the wire is whole again, as
//! a network does whose packets are sent again: what arrives late is the
//! interesting part.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the wire does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wire {
    /// Nothing passes from the client to the server.
    pub silent_out: bool,
    /// Nothing passes from the server to the client.
    pub silent_back: bool,
    /// Every piece waits so long, each way.
    pub delay: Duration,
    /// New connections are refused, and those that there are were reset.
    pub refused: bool,
}

/// The proxy; it ends with the runtime.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    wire: watch::Sender<Wire>,
}

impl Proxy {
    /// A whole wire to `server`, listening on a free port of loopback.
    pub async fn to(server: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = Self { address: listener.local_addr()?, wire: watch::Sender::new(Wire::default()) };
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

    /// Changes the wire, for the connections that there are too.
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
    let mut refused = wire.clone();
    let torn = {
        let (_, _) = (client.set_nodelay(true), upstream.set_nodelay(true));
        let (mut from_client, mut to_client) = tokio::io::split(client);
        let (mut from_server, mut to_server) = tokio::io::split(upstream);
        let out = pump(&mut from_client, &mut to_server, wire.clone(), |wire| wire.silent_out);
        let back = pump(&mut from_server, &mut to_client, wire.clone(), |wire| wire.silent_back);
        let torn = tokio::select! {
            // An end is passed on at once: a killed process's sessions end with it.
            () = out => false,
            () = back => false,
            _ = refused.wait_for(|wire| wire.refused) => true,
        };
        torn.then(|| (from_client.unsplit(to_client), from_server.unsplit(to_server)))
    };
    if let Some((client, upstream)) = torn {
        reset(&client);
        reset(&upstream);
    }
}

/// Lets the close that follows be a reset.
fn reset(stream: &TcpStream) {
    // A socket that is gone already needs no reset.
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
