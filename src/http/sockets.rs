//! Sockets: their number, and the opening of one.
//!
//! The protocol is graphql-transport-ws (and its predecessor). [`super::socket`] has an open
//! socket.

use super::authentication::Authentication;
use super::graphql::refuse;
use super::socket_access::SocketAccess;
use super::{origins, socket};
use crate::api::{Schema, Subscriber};
use actix_web::http::StatusCode;
use actix_web::http::header::SEC_WEBSOCKET_PROTOCOL;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use async_graphql::http::WebSocketProtocols;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Most sockets of one address. Clients behind one proxy share its address.
const SOCKETS_PER_CLIENT_MAX: usize = 100;
/// Most sockets of a node.
const SOCKETS_MAX: usize = 1_000;
/// Prefix of IPv6 that a customer of a provider has at least: its addresses are one client.
const IPV6_CLIENT_BITS: u32 = 64;

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
    fn admit(&self, client: IpAddr) -> Result<Place, String> {
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

/// Opens a socket. A browser lets a page of any site open a socket to any host, with the cookies of
/// the user, and adds the origin of the page: only pages of the node may.
pub async fn open(
    request: HttpRequest,
    schema: web::Data<Schema>,
    sockets: web::Data<Sockets>,
    authentication: web::Data<Authentication>,
    payload: web::Payload,
) -> HttpResponse {
    if origins::is_foreign_page(&request) {
        return refuse(
            StatusCode::FORBIDDEN,
            "sockets are opened by this node's own pages, or by programs without Origin and \
             Sec-Fetch-Site",
        );
    }
    // Without a credential here, `connection_init` must have one. One that is not valid is refused.
    match authentication.identify(&request).await {
        Err(refused) if !refused.is_without_credential() => return refused.error_response(),
        Ok(_) | Err(_) => {}
    }
    let offered = request
        .headers()
        .get(SEC_WEBSOCKET_PROTOCOL)
        .and_then(|value| value.to_str().ok());
    let known = |name: &str| name.trim().parse::<WebSocketProtocols>().ok();
    let Some(protocol) = offered.and_then(|offered| offered.split(',').find_map(known)) else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "Sec-WebSocket-Protocol must offer graphql-transport-ws",
        );
    };
    let mut response = match actix_http::ws::handshake(request.head()) {
        Ok(response) => response,
        Err(error) => {
            return refuse(
                StatusCode::BAD_REQUEST,
                &format!("no WebSocket handshake: {error}"),
            );
        }
    };
    let place = match sockets.admit(client(&request)) {
        Ok(place) => place,
        Err(reason) => return refuse(StatusCode::TOO_MANY_REQUESTS, &reason),
    };
    response.insert_header((SEC_WEBSOCKET_PROTOCOL, protocol.sec_websocket_protocol()));
    let access = SocketAccess::new(
        authentication.get_ref().clone(),
        authentication.credential(&request),
        authentication.client_address(&request),
    );
    let body = socket::body(schema.get_ref().clone(), protocol, place, access, payload);
    match response.message_body(body) {
        Ok(response) => HttpResponse::from(response).map_into_boxed_body(),
        Err(error) => HttpResponse::from_error(error),
    }
}

/// The client of a request: its address, or the network of an IPv6 address.
fn client(request: &HttpRequest) -> IpAddr {
    let address = request
        .peer_addr()
        .map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.ip());
    client_of(address)
}

/// See [`client`].
pub fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(
            address.to_bits() & (u128::MAX << IPV6_CLIENT_BITS),
        )),
        address @ IpAddr::V4(_) => address,
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

    #[test]
    fn an_ipv6_network_is_one_client_and_a_mapped_address_that_of_ipv4() {
        assert_eq!(
            client_of(ip("2001:db8::1")),
            client_of(ip("2001:db8::ffff:1"))
        );
        assert_ne!(
            client_of(ip("2001:db8::1")),
            client_of(ip("2001:db8:0:1::1"))
        );
        assert_eq!(client_of(ip("::ffff:10.0.0.1")), ip("10.0.0.1"));
    }
}
