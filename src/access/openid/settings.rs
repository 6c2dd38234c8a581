//! The provider of a node, from its settings.

use crate::model::grant::GroupGrant;
use crate::model::secret::Secret;
use openidconnect::{ClientId, ClientSecret, IssuerUrl, RedirectUrl, Scope};
use reqwest::Certificate;
use std::path::{Path, PathBuf};
use url::Url;

/// Largest file with a client secret, in bytes.
const SECRET_BYTES_MAX: usize = 4 * 1024;

/// Why the settings of the provider cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenIdSetUpError {
    /// A file cannot be read.
    #[error("cannot read {path} ({flag})")]
    Unreadable {
        /// Setting that names the file.
        flag: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// Error of the system.
        source: std::io::Error,
    },
    /// The secret is no line of text.
    #[error("{path} (--openid-client-secret-file) must have one line with the client secret")]
    NoSecret {
        /// Path of the file.
        path: PathBuf,
    },
    /// The authority is no certificate.
    #[error("{path} (--openid-ca-file) is no PEM file with a certificate")]
    NoCertificate {
        /// Path of the file.
        path: PathBuf,
    },
    /// An address is none.
    #[error("{flag} is no address")]
    Address {
        /// The setting.
        flag: &'static str,
        /// Error of the parser.
        source: url::ParseError,
    },
    /// TLS cannot be set up.
    #[error("the client for the OpenID provider cannot be set up")]
    Client(#[from] reqwest::Error),
}

/// The provider of a node, before the first request.
#[derive(Debug, Clone)]
pub struct OpenIdSettings {
    /// Address by which the provider names itself.
    pub issuer: IssuerUrl,
    /// Id of Horolog at the provider.
    pub client_id: ClientId,
    /// Secret of Horolog at the provider; none for a public client.
    pub client_secret: Option<ClientSecret>,
    /// Address to which the provider sends people back.
    pub redirect_url: RedirectUrl,
    /// Text of the button.
    pub name: String,
    /// Scopes besides `openid`.
    pub scopes: Vec<Scope>,
    /// Claim with the groups.
    pub groups_claim: String,
    /// Roles of the groups.
    pub grants: Vec<GroupGrant>,
    /// Authorities besides those of the system.
    pub authorities: Vec<Certificate>,
}

impl OpenIdSettings {
    /// Whether browsers reach the node by https.
    pub fn is_https(&self) -> bool {
        self.redirect_url.url().scheme() == "https"
    }

    /// The redirect URL.
    pub fn redirect_url(&self) -> &Url {
        self.redirect_url.url()
    }
}

/// Reads the client secret: the first line of a file.
pub fn read_secret(path: &Path) -> Result<Secret, OpenIdSetUpError> {
    let bytes = read(path, "--openid-client-secret-file")?;
    let text = String::from_utf8(bytes).ok();
    let secret = text.as_deref().map(str::trim_end).filter(|secret| {
        !secret.is_empty() && secret.len() <= SECRET_BYTES_MAX && !secret.contains(char::is_control)
    });
    secret
        .map(|secret| Secret::new(secret.to_owned()))
        .ok_or_else(|| OpenIdSetUpError::NoSecret {
            path: path.to_owned(),
        })
}

/// Reads the certificates of authorities.
pub fn read_authorities(path: &Path) -> Result<Vec<Certificate>, OpenIdSetUpError> {
    let pem = read(path, "--openid-ca-file")?;
    Certificate::from_pem_bundle(&pem)
        .ok()
        .filter(|certificates| !certificates.is_empty())
        .ok_or_else(|| OpenIdSetUpError::NoCertificate {
            path: path.to_owned(),
        })
}

fn read(path: &Path, flag: &'static str) -> Result<Vec<u8>, OpenIdSetUpError> {
    std::fs::read(path).map_err(|source| OpenIdSetUpError::Unreadable {
        flag,
        path: path.to_owned(),
        source,
    })
}
