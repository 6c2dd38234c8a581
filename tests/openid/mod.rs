//! Sign-in by OpenID Connect, at a real provider that this process runs, with a browser that keeps
//! the rules of cookies.

mod browser;
mod faults;
mod provider;
mod signing_in;
mod users;

use crate::api_node::ApiNode;
use crate::support::TestDatabase;
use browser::{Browser, Page};
use provider::{CLIENT_ID, CLIENT_SECRET, OpenIdProvider};
use serde_json::Value;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

pub const ME: &str = "{ me { name kind role sessionExpiresAt } }";

/// A node whose people sign in at a provider.
pub struct Site {
    pub provider: OpenIdProvider,
    pub node: ApiNode,
    flags: Vec<String>,
    _secret: SecretFile,
}

impl Site {
    pub async fn start() -> Self {
        Self::start_with(&["--openid-grant", "ops=OPERATOR;staff=VIEWER;root=ADMIN"]).await
    }

    /// Starts with these grants and other flags.
    pub async fn start_with(grants: &[&str]) -> Self {
        Self::start_at(OpenIdProvider::start(), grants).await
    }

    /// Starts with a provider whose discovery document has these members.
    pub async fn start_described(members: Value) -> Self {
        let provider = OpenIdProvider::start();
        provider.describes_itself(members);
        Self::start_at(provider, &["--openid-grant", "ops=OPERATOR"]).await
    }

    async fn start_at(provider: OpenIdProvider, grants: &[&str]) -> Self {
        let secret = SecretFile::new();
        let address = free_address();
        let callback = format!("http://{address}/session/openid/callback");
        let flags = [
            "--openid-issuer",
            &provider.issuer,
            "--openid-client-id",
            CLIENT_ID,
            "--openid-client-secret-file",
            secret.0.to_str().unwrap(),
            "--openid-redirect-url",
            &callback,
        ];
        let flags: Vec<String> = flags
            .iter()
            .chain(grants)
            .map(|&flag| flag.to_owned())
            .collect();
        let database = Arc::new(TestDatabase::new().await);
        let mut all: Vec<&str> = flags.iter().map(String::as_str).collect();
        all.extend(["--listen", &address]);
        let node = ApiNode::start_on(database, &all).await;
        Self {
            provider,
            node,
            flags,
            _secret: secret,
        }
    }

    /// Another node of the same cluster with the same settings.
    pub async fn another(&self) -> ApiNode {
        let mut flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        flags.extend(["--listen", "127.0.0.1:0"]);
        self.node.another_with(&flags).await
    }

    /// Presses the button of the sign-in page.
    pub async fn sign_in(&self, browser: &mut Browser) -> Page {
        browser
            .visit(&format!("{}/session/openid", self.node.url))
            .await
    }

    /// The code with which the sign-in page is shown.
    pub async fn refusal(&self) -> String {
        refusal(&self.sign_in(&mut Browser::new()).await)
    }

    /// The caller of the session of a browser.
    pub async fn me(&self, browser: &Browser) -> Value {
        let (status, answer) = browser.ask(&self.node.url, ME).await;
        assert_eq!(status, 200, "{answer}");
        answer["data"]["me"].clone()
    }
}

/// The file with the client secret, as long as a node may read it.
struct SecretFile(PathBuf);

impl SecretFile {
    fn new() -> Self {
        let name = format!("horolog-openid-{}", uuid::Uuid::new_v4().simple());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, format!("{CLIENT_SECRET}\n")).unwrap();
        Self(path)
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

/// The code of a sign-in page; empty on another page.
pub fn refusal(page: &Page) -> String {
    let fragment = page.url.fragment().unwrap_or_default();
    let code = fragment.strip_prefix("/sign-in?error=");
    code.unwrap_or_default().to_owned()
}

/// An address for a node whose settings must have it before it listens.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}
