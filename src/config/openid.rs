//! Settings of the sign-in by OpenID Connect.

use crate::model::grant::GroupGrant;
use clap::Args;
use std::net::IpAddr;
use std::path::PathBuf;
use url::{Host, Url};

/// Path of the address to which the provider sends people back.
pub const CALLBACK_PATH: &str = "/session/openid/callback";
/// Longest text of the button.
const NAME_CHARS_MAX: usize = 60;

/// The OpenID provider, and the roles of its groups.
#[derive(Debug, Clone, Default, Args)]
pub struct OpenIdConfig {
    /// Address of the OpenID provider, exactly as it names itself, such as
    /// https://login.example.com/realms/staff. With it people sign in there, and this node serves
    /// no anonymous caller. The OpenID settings are the same on all nodes. [default: none]
    #[arg(long, env = "HOROLOG_OPENID_ISSUER", value_parser = issuer,
          requires = "openid_client_id", requires = "openid_redirect_url")]
    pub openid_issuer: Option<String>,

    /// Id of Horolog at the provider. [default: none]
    #[arg(long, env = "HOROLOG_OPENID_CLIENT_ID", requires = "openid_issuer")]
    pub openid_client_id: Option<String>,

    /// File with the client secret, one line. [default: a public client, which has none]
    #[arg(
        long,
        env = "HOROLOG_OPENID_CLIENT_SECRET_FILE",
        requires = "openid_issuer"
    )]
    pub openid_client_secret_file: Option<PathBuf>,

    /// Address to which the provider sends people back: that of the dashboard with
    /// /session/openid/callback at its end. The provider must know it. [default: none]
    #[arg(long, env = "HOROLOG_OPENID_REDIRECT_URL", value_parser = redirect_url,
          requires = "openid_issuer")]
    pub openid_redirect_url: Option<Url>,

    /// Name of the provider on the button of the sign-in page.
    #[arg(long, env = "HOROLOG_OPENID_NAME", default_value = "OpenID Connect", value_parser = name)]
    pub openid_name: String,

    /// Scopes that are asked for besides `openid`, separated by commas. Some providers name the
    /// groups only with the scope `groups`.
    #[arg(long, env = "HOROLOG_OPENID_SCOPE", value_delimiter = ',', value_parser = token,
          default_values = ["profile", "email"])]
    pub openid_scope: Vec<String>,

    /// Claim of the ID token with the groups of a person: a text or a list of texts.
    #[arg(long, env = "HOROLOG_OPENID_GROUPS_CLAIM", default_value = "groups", value_parser = token)]
    pub openid_groups_claim: String,

    /// Role of the members of a group, as GROUP=ROLE; several are separated by semicolons. The
    /// names of groups are compared exactly, and the highest role counts. A person without a
    /// role cannot sign in.
    #[arg(long, env = "HOROLOG_OPENID_GRANT", value_delimiter = ';', requires = "openid_issuer",
          value_parser = str::parse::<GroupGrant>)]
    pub openid_grant: Vec<GroupGrant>,

    /// PEM file with the authority of the provider's certificate, besides those of the system.
    /// [default: none]
    #[arg(long, env = "HOROLOG_OPENID_CA_FILE", requires = "openid_issuer")]
    pub openid_ca_file: Option<PathBuf>,
}

impl OpenIdConfig {
    /// Whether people sign in at a provider.
    pub fn is_on(&self) -> bool {
        self.openid_issuer.is_some()
    }

    /// Settings that let no person sign in.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        (self.is_on() && self.openid_grant.is_empty()).then(|| {
            let message = "is needed with --openid-issuer: without a role no person can sign in";
            ("--openid-grant", message.to_owned())
        })
    }
}

/// The address of an issuer. The text is kept for the comparison with the provider's text: a parsed
/// address may have a slash more.
fn issuer(text: &str) -> Result<String, String> {
    let url = encrypted(text)?;
    // An issuer has neither query nor fragment (OpenID Connect Core, 2).
    if url.query().is_some() {
        return Err("an issuer has no query".to_owned());
    }
    Ok(text.to_owned())
}

fn redirect_url(text: &str) -> Result<Url, String> {
    let url = encrypted(text)?;
    if !url.path().ends_with(CALLBACK_PATH) || url.query().is_some() {
        return Err(format!(
            "expected an address that ends with {CALLBACK_PATH}"
        ));
    }
    Ok(url)
}

/// An address of https; on the same machine, of http.
fn encrypted(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    // Credentials in an address would reach logs and error texts.
    let is_plain = !url.username().is_empty() || url.password().is_some();
    if is_plain || url.fragment().is_some() || url.host().is_none() {
        return Err("expected https://host/path".to_owned());
    }
    match url.scheme() {
        "https" => Ok(url),
        // For a provider under test, which has no certificate.
        "http" if is_loopback(&url) => Ok(url),
        _ => Err("expected https; http is for this machine alone".to_owned()),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

fn name(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if text.trim().is_empty() || length > NAME_CHARS_MAX || text.contains(char::is_control) {
        return Err(format!("expected 1 to {NAME_CHARS_MAX} characters"));
    }
    Ok(text.to_owned())
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'
}

/// A scope or the name of a claim: printable ASCII without space and quotes (RFC 6749, 3.3).
fn token(text: &str) -> Result<String, String> {
    if text.is_empty() || !text.bytes().all(is_token_byte) {
        return Err("expected a name without spaces".to_owned());
    }
    Ok(text.to_owned())
}
