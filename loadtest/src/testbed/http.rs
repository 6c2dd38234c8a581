//! The harness's HTTP client: plain, small answers, a time limit for each.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::Value;
use std::time::Duration;

/// How long a connection waits for the next request: shorter than nodes do (5 s), or a request
/// might meet the close.
const IDLE_MAX: Duration = Duration::from_secs(2);

/// The client; clones share its connections.
#[derive(Clone)]
pub struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// No process listened: the request had no effect.
    NotConnected,
    /// Any other error: the request may have had an effect.
    Unknown,
}

impl Default for Http {
    fn default() -> Self {
        let mut client = Client::builder(TokioExecutor::new());
        client
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX);
        Self {
            client: client.build_http(),
        }
    }
}

impl Http {
    /// Posts JSON; the status and the JSON of the answer.
    pub async fn post(
        &self,
        url: &str,
        body: &Value,
        longest: Duration,
    ) -> Result<(StatusCode, Value), NoAnswer> {
        self.post_text(url, body.to_string(), longest).await
    }

    /// Posts a body as JSON that may be none.
    pub async fn post_text(
        &self,
        url: &str,
        body: String,
        longest: Duration,
    ) -> Result<(StatusCode, Value), NoAnswer> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header("content-type", "application/json");
        let request = request
            .body(Full::from(body))
            .map_err(|_| NoAnswer::NotConnected)?;
        self.send(request, longest).await
    }

    /// Gets a page; returns its status and, if the page is JSON, its content.
    pub async fn get(&self, url: &str, longest: Duration) -> Result<(StatusCode, Value), NoAnswer> {
        let request = Request::builder()
            .uri(url)
            .body(Full::default())
            .map_err(|_| NoAnswer::NotConnected)?;
        self.send(request, longest).await
    }

    async fn send(
        &self,
        request: Request<Full<Bytes>>,
        longest: Duration,
    ) -> Result<(StatusCode, Value), NoAnswer> {
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| {
                // Only without a connection is it certain that the request had no effect.
                if error.is_connect() {
                    NoAnswer::NotConnected
                } else {
                    NoAnswer::Unknown
                }
            })?;
            let status = response.status();
            let body = response
                .into_body()
                .collect()
                .await
                .map_err(|_| NoAnswer::Unknown)?
                .to_bytes();
            Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
        };
        tokio::time::timeout(longest, exchange)
            .await
            .unwrap_or(Err(NoAnswer::Unknown))
    }
}
