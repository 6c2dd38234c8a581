//! The opening of a socket.
//!
//! The protocol is graphql-transport-ws (and its predecessor). [`super::socket`] has an open
//! socket.

use super::authentication::Authentication;
use super::graphql::refuse;
use super::socket_access::SocketAccess;
use super::socket_places::Sockets;
use super::{origins, socket};
use crate::api::Schema;
use crate::model::client::Client;
use actix_web::http::StatusCode;
use actix_web::http::header::SEC_WEBSOCKET_PROTOCOL;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use async_graphql::http::WebSocketProtocols;

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
    // A credential that is not valid is refused; without a credential, `connection_init` must have
    // one.
    match authentication.identify(&request).await {
        Err(refused) if !refused.is_without_credential() => return refused.error_response(),
        Ok(_) | Err(_) => {}
    }
    let offered = request
        .headers()
        .get(SEC_WEBSOCKET_PROTOCOL)
        .and_then(|value| value.to_str().ok());
    // The first protocol that both sides know: the client names them in the order of preference.
    let protocol = offered.and_then(|offered| {
        let mut names = offered.split(',');
        names.find_map(|name| name.trim().parse::<WebSocketProtocols>().ok())
    });
    let Some(protocol) = protocol else {
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
    let address = authentication.client_address(&request);
    // Before the handshake is answered: above the bound a client gets a status, not a close frame.
    let place = match sockets.admit(Client::at(address)) {
        Ok(place) => place,
        Err(reason) => return refuse(StatusCode::TOO_MANY_REQUESTS, &reason),
    };
    response.insert_header((SEC_WEBSOCKET_PROTOCOL, protocol.sec_websocket_protocol()));
    let access = SocketAccess::new(
        authentication.get_ref().clone(),
        authentication.credential(&request),
        address,
        place,
    );
    let body = socket::body(schema.get_ref().clone(), protocol, access, payload);
    match response.message_body(body) {
        Ok(response) => HttpResponse::from(response).map_into_boxed_body(),
        Err(error) => HttpResponse::from_error(error),
    }
}
