//! The places of sockets: how many a node and a client may have.

use crate::api::Subscriber;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Most sockets of one address. Clients behind one proxy share its address.
const SOCKETS_PER_CLIENT_MAX: usize = 100;
/// Most sockets of a node.
const SOCKETS_MAX: usize = 1_000;
/// The open sockets of a node.
#[derive(Clone, Default)]
pub struct Sockets(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    of_clients: HashMap<IpAddr, usize>,
    open: usize,
    /// Number of all sockets so far, and id of the next one.
    opened: u64,
}

/// The place of an open socket. Its drop frees it.
pub struct Place {
    sockets: Sockets,
    pub subscriber: Subscriber,
}

impl Sockets {
    /// Reserves a place for a socket of `client`. The error names the bound.
    pub fn admit(&self, client: IpAddr) -> Result<Place, String> {
        let mut counts = self.0.lock();
        if counts.open >= SOCKETS_MAX {
            return Err(format!(
                "this node has {SOCKETS_MAX} sockets: try another node"
            ));
        }
        let of_client = counts.of_clients.entry(client).or_default();
        if *of_client >= SOCKETS_PER_CLIENT_MAX {
            return Err(format!(
                "your address has {SOCKETS_PER_CLIENT_MAX} sockets on this node: close one"
            ));
        }
        *of_client += 1;
        counts.open += 1;
        counts.opened += 1;
        Ok(Place {
            sockets: self.clone(),
            subscriber: Subscriber {
                client,
                socket: counts.opened,
            },
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.sockets.0.lock();
        counts.open -= 1;
        let client = self.subscriber.client;
        if let Some(of_client) = counts.of_clients.get_mut(&client) {
            *of_client -= 1;
            if *of_client == 0 {
                counts.of_clients.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_client_has_its_share_of_the_sockets_and_no_more() {
        let sockets = Sockets::default();
        let mut places: Vec<Place> = (0..SOCKETS_PER_CLIENT_MAX)
            .map(|_| sockets.admit(ip("10.0.0.1")).expect("room"))
            .collect();
        assert!(
            sockets
                .admit(ip("10.0.0.1"))
                .is_err_and(|reason| reason.contains("your address"))
        );
        assert!(sockets.admit(ip("10.0.0.2")).is_ok());
        drop(places.pop());
        places.push(sockets.admit(ip("10.0.0.1")).expect("one was closed"));
        let last =
            |number: usize| IpAddr::from([10, 0, 1, u8::try_from(number / 90).expect("small")]);
        let all = (SOCKETS_PER_CLIENT_MAX..SOCKETS_MAX)
            .map(|number| sockets.admit(last(number)).expect("room"));
        places.extend(all);
        assert!(
            sockets
                .admit(ip("10.0.0.2"))
                .is_err_and(|reason| reason.contains("another node"))
        );
        drop(places);
        assert!(sockets.0.lock().of_clients.is_empty());
    }
}
