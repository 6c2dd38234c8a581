//! A TCP proxy before PostgreSQL that can fall silent, as a network does that
//! drops everything: connections stay open, nothing arrives.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;

/// The proxy; it ends with the test's runtime.
pub struct Proxy {
    address: SocketAddr,
    silent: watch::Sender<bool>,
}

impl Proxy {
    /// A proxy to the unix socket of a `postgresql://user@%2Fdir/database` URL.
    pub async fn to(database_url: &str) -> Self {
        let socket = socket_of(database_url);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            silent: watch::Sender::new(false),
        };
        let silent = proxy.silent.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = UnixStream::connect(&socket).await else {
                    continue;
                };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(pump(from_client, to_server, silent.subscribe()));
                tokio::spawn(pump(from_server, to_client, silent.subscribe()));
            }
        });
        proxy
    }

    /// The same database, by way of the proxy.
    pub fn url(&self, database_url: &str) -> String {
        let (_, database) = database_url.rsplit_once('/').unwrap();
        format!("postgresql://horolog@{}/{database}", self.address)
    }

    /// From now on nothing passes; or everything that waited does.
    pub fn silence(&self, silent: bool) {
        self.silent.send_replace(silent);
    }
}

fn socket_of(database_url: &str) -> String {
    let (_, rest) = database_url.split_once('@').unwrap();
    let (directory, _) = rest.split_once('/').unwrap();
    format!("{}/.s.PGSQL.5432", directory.replace("%2F", "/"))
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut silent: watch::Receiver<bool>,
) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if silent.wait_for(|silent| !silent).await.is_err()
            || to.write_all(&buffer[..count]).await.is_err()
        {
            return;
        }
    }
}
