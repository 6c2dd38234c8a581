//! The places of sockets: how many a node and a client may have. A socket counts for its address
//! until its caller is known, and then for the user or the token.

use crate::api::Subscriber;
use crate::model::client::Client;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Most sockets of one address whose callers are not known.
const SOCKETS_OF_ADDRESS_MAX: usize = 100;
/// Most sockets of one user or token: each page of the dashboard has one.
const SOCKETS_OF_CALLER_MAX: usize = 50;
/// Most sockets of a node.
const SOCKETS_MAX: usize = 1_000;

/// The open sockets of a node.
#[derive(Clone, Default)]
pub struct Sockets(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    of_clients: HashMap<Client, usize>,
    open: usize,
    /// Number of all sockets so far, and id of the next one.
    opened: u64,
}

/// The place of an open socket. Its drop frees it.
pub struct Place {
    sockets: Sockets,
    /// Number of the socket.
    socket: u64,
    client: Mutex<Client>,
}

impl Counts {
    /// Counts a socket for a client. The error names the bound.
    fn add(&mut self, client: Client) -> Result<(), String> {
        let (most, what) = match client {
            Client::Address(_) => (SOCKETS_OF_ADDRESS_MAX, "your address has"),
            Client::Caller(_) => (SOCKETS_OF_CALLER_MAX, "you have"),
        };
        let of_client = self.of_clients.entry(client).or_default();
        if *of_client >= most {
            return Err(format!("{what} {most} sockets on this node: close one"));
        }
        *of_client += 1;
        Ok(())
    }

    fn remove(&mut self, client: Client) {
        if let Some(of_client) = self.of_clients.get_mut(&client) {
            *of_client -= 1;
            if *of_client == 0 {
                self.of_clients.remove(&client);
            }
        }
    }
}

impl Sockets {
    /// Reserves a place for a socket of `client`. The error names the bound.
    pub fn admit(&self, client: Client) -> Result<Place, String> {
        let mut counts = self.0.lock();
        if counts.open >= SOCKETS_MAX {
            return Err(format!(
                "this node has {SOCKETS_MAX} sockets: try another node"
            ));
        }
        counts.add(client)?;
        counts.open += 1;
        counts.opened += 1;
        Ok(Place {
            sockets: self.clone(),
            socket: counts.opened,
            client: Mutex::new(client),
        })
    }
}

impl Place {
    /// Counts the socket for its caller from now on. The error names the bound.
    pub fn belongs_to(&self, caller: Client) -> Result<(), String> {
        let mut client = self.client.lock();
        if *client != caller {
            let mut counts = self.sockets.0.lock();
            // Added before the removal: a socket above the bound of its caller stays with its
            // address.
            counts.add(caller)?;
            counts.remove(*client);
            *client = caller;
        }
        Ok(())
    }

    /// The socket as a subscriber of events.
    pub fn subscriber(&self) -> Subscriber {
        Subscriber {
            client: *self.client.lock(),
            socket: self.socket,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.sockets.0.lock();
        counts.open -= 1;
        counts.remove(*self.client.get_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn ip(text: &str) -> Client {
        Client::Address(text.parse().expect("an address"))
    }

    #[test]
    fn a_client_has_its_share_of_the_sockets_and_no_more() {
        let sockets = Sockets::default();
        let mut places: Vec<Place> = (0..SOCKETS_OF_ADDRESS_MAX)
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
        let last = |number: usize| {
            let last = u8::try_from(number / 90).expect("small");
            Client::Address([10, 0, 1, last].into())
        };
        let all = (SOCKETS_OF_ADDRESS_MAX..SOCKETS_MAX)
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

    #[test]
    fn a_caller_has_its_share_from_any_address_and_leaves_that_of_the_address() {
        let sockets = Sockets::default();
        let (ada, bob) = (Client::Caller(Uuid::max()), Client::Caller(Uuid::nil()));
        let admit = |address: &str, caller: Client| {
            let place = sockets.admit(ip(address))?;
            place.belongs_to(caller).map(|()| place)
        };
        let mut places: Vec<Place> = (0..SOCKETS_OF_CALLER_MAX)
            .map(|number| admit(&format!("10.0.0.{number}"), ada).expect("room"))
            .collect();
        let more = admit("10.0.9.9", ada).err().expect("too many");
        assert_eq!(more, "you have 50 sockets on this node: close one");
        // Many people behind one proxy have more sockets than an address may have.
        for caller in 0..4 {
            let caller = Client::Caller(Uuid::from_u128(caller + 1));
            let of_one = (0..SOCKETS_OF_CALLER_MAX).map(|_| admit("10.0.0.1", caller));
            places.extend(of_one.map(|place| place.expect("room")));
        }
        let place = admit("10.0.0.1", bob).expect("room");
        place.belongs_to(bob).expect("it does already");
        assert_eq!(sockets.0.lock().of_clients[&bob], 1);
        drop((places, place));
        assert!(sockets.0.lock().of_clients.is_empty());
    }
}
