//! Requests to the provider: bounded in time and size, without redirects and proxies.

use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use reqwest::{Certificate, Client, redirect};
use std::pin::Pin;
use std::time::Duration;

/// Longest wait for the name, the connection and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest exchange.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest answer in bytes: keys, discovery document, or tokens.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Why the provider gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The request is no request of HTTP.
    #[error("the request cannot be sent")]
    Request(#[source] reqwest::Error),
    /// No connection, no answer in time, or an answer that broke off.
    #[error("no answer within {TIMEOUT:?}")]
    Exchange(#[source] reqwest::Error),
    /// The answer is too large.
    #[error("the answer is larger than {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
}

/// The client for the provider.
#[derive(Clone)]
pub struct Http(Client);

impl Http {
    /// A client that trusts the authorities of the system, and these.
    pub fn new(authorities: Vec<Certificate>) -> Result<Self, reqwest::Error> {
        // Fails only if there is a provider already: then that one is used.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let client = Client::builder()
            .user_agent(concat!("Horolog/", env!("CARGO_PKG_VERSION")))
            // A redirect would take the client secret to another host.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            // A kept connection would belong to the thread that opened it.
            .pool_max_idle_per_host(0)
            .tls_certs_merge(authorities)
            .build()?;
        Ok(Self(client))
    }

    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let request = reqwest::Request::try_from(request).map_err(HttpError::Request)?;
        let answer = self.0.execute(request).await;
        let mut answer = answer.map_err(|error| HttpError::Exchange(error.without_url()))?;
        let mut body = Vec::new();
        loop {
            // Piece by piece: the announced length may be wrong or absent.
            let piece = answer.chunk().await;
            let Some(piece) = piece.map_err(|error| HttpError::Exchange(error.without_url()))?
            else {
                break;
            };
            if body.len() + piece.len() > ANSWER_BYTES_MAX {
                return Err(HttpError::TooLarge);
            }
            body.extend_from_slice(&piece);
        }
        let mut response = HttpResponse::new(body);
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.exchange(request))
    }
}
