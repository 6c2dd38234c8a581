//! The provider: its discovery document and keys, and the exchange of a code for an ID token.
//!
//! The document is read when the first person signs in, and again after an hour. While the read
//! fails, the last document counts; a failure is remembered for a few seconds, so that a hanging
//! provider makes people wait once, and not each in turn.

use super::http::{Http, HttpError};
use super::settings::OpenIdSettings;
use super::{Attempt, OpenIdError};
use crate::model::Timestamp;
use chrono::TimeDelta;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreErrorResponseType, CoreIdToken,
    CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm as Algorithm,
    CoreProviderMetadata, CoreRequestTokenError,
};
use openidconnect::{
    AuthType, AuthorizationCode, ClaimsVerificationError, CsrfToken, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, Nonce, PkceCodeChallenge, PkceCodeVerifier, RequestTokenError,
    SignatureVerificationError, TokenResponse,
};
use parking_lot::Mutex;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use url::Url;

/// The algorithms of a signature that counts. Without `none`, and without algorithms with a shared
/// secret: the public key of a provider is public.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RsaSsaPkcs1V15Sha256,
    Algorithm::RsaSsaPkcs1V15Sha384,
    Algorithm::RsaSsaPkcs1V15Sha512,
    Algorithm::RsaSsaPssSha256,
    Algorithm::RsaSsaPssSha384,
    Algorithm::RsaSsaPssSha512,
    Algorithm::EcdsaP256Sha256,
    Algorithm::EcdsaP384Sha384,
    Algorithm::EdDsa,
];
/// How far the clocks of the provider and of the database may differ, in seconds.
const SKEW_SECONDS: i64 = 60;
/// How long a discovery document counts.
const COUNTS_FOR: Duration = Duration::from_hours(1);
/// How long an older document counts afterwards, while the provider gives none.
const STALE_FOR: Duration = Duration::from_hours(24);
/// Time until the provider is asked again after a failure.
const FAILED_FOR: Duration = Duration::from_secs(5);
/// Longest part of an answer that a message repeats.
const QUOTED_CHARS_MAX: usize = 200;

/// The client of Horolog at the provider.
type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What the provider did not answer, and why.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{url}: {cause}")]
pub struct ProviderError {
    /// The address that was asked.
    pub url: String,
    /// The cause in words.
    pub cause: String,
}

/// The provider of a node.
pub struct Provider {
    settings: Arc<OpenIdSettings>,
    http: Http,
    known: Mutex<Known>,
    /// One request for the discovery document or the keys at a time.
    turn: tokio::sync::Mutex<()>,
}

/// What the provider said of itself.
#[derive(Default)]
struct Known {
    metadata: Option<(Arc<CoreProviderMetadata>, Instant)>,
    failed: Option<(ProviderError, Instant)>,
}

impl Known {
    /// What counts now. `None`: the provider must be asked.
    fn at(&self, now: Instant) -> Option<Result<Arc<CoreProviderMetadata>, ProviderError>> {
        let failed = self.failed.as_ref();
        let has_failed =
            failed.is_some_and(|(_, since)| now.saturating_duration_since(*since) < FAILED_FOR);
        // Shortly after a failure an older document counts, for up to a day.
        let most = if has_failed { STALE_FOR } else { COUNTS_FOR };
        match &self.metadata {
            Some((metadata, since)) if now.saturating_duration_since(*since) < most => {
                Some(Ok(metadata.clone()))
            }
            _ => failed
                .filter(|_| has_failed)
                .map(|(error, _)| Err(error.clone())),
        }
    }
}

impl Provider {
    /// The provider of these settings, which is not asked yet.
    pub fn new(settings: Arc<OpenIdSettings>) -> Result<Self, reqwest::Error> {
        Ok(Self {
            http: Http::new(settings.authorities.clone())?,
            settings,
            known: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// The address at which the provider lets a person sign in.
    pub async fn address(&self, attempt: &Attempt) -> Result<Url, ProviderError> {
        let (state, nonce) = (attempt.state(), attempt.nonce());
        let verifier = PkceCodeVerifier::new(attempt.verifier());
        let client = self.client(&*self.metadata().await?);
        let (url, _, _) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || CsrfToken::new(state),
                move || Nonce::new(nonce),
            )
            .add_scopes(self.settings.scopes.iter().cloned())
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        Ok(url)
    }

    /// Exchanges the code for an ID token. It is verified, and of this sign-in.
    pub async fn id_token(
        &self,
        code: String,
        attempt: &Attempt,
        now: Timestamp,
    ) -> Result<CoreIdToken, OpenIdError> {
        let metadata = self.metadata().await?;
        let client = self.client(&metadata);
        let exchange = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| failed(&self.discovery_url(), &error))?
            .set_pkce_verifier(PkceCodeVerifier::new(attempt.verifier()));
        let answer = exchange.request_async(&self.http).await;
        let token_url = metadata.token_endpoint().map(|url| url.as_str());
        let token_url = token_url.unwrap_or_default();
        let answer = answer.map_err(|error| not_exchanged(token_url, &error))?;
        let id_token = answer.id_token().ok_or_else(|| ProviderError {
            url: token_url.to_owned(),
            cause: "the answer has no id_token".to_owned(),
        })?;
        let nonce = Nonce::new(attempt.nonce());
        let checked = id_token.claims(&verifier(&client, now), &nonce);
        if let Err(ClaimsVerificationError::SignatureVerification(
            SignatureVerificationError::NoMatchingKey | SignatureVerificationError::CryptoError(_),
        )) = checked
        {
            // The provider may have new keys.
            let client = self.client(&*self.with_new_keys(&metadata).await?);
            id_token.claims(&verifier(&client, now), &nonce)?;
        } else {
            checked?;
        }
        Ok(id_token.clone())
    }

    fn client(&self, metadata: &CoreProviderMetadata) -> Client {
        let OpenIdSettings {
            client_id,
            client_secret,
            redirect_url,
            ..
        } = &*self.settings;
        let methods = metadata.token_endpoint_auth_methods_supported();
        let methods = methods.map_or(&[][..], Vec::as_slice);
        let client = CoreClient::from_provider_metadata(
            metadata.clone(),
            client_id.clone(),
            client_secret.clone(),
        );
        let client = client.set_redirect_uri(redirect_url.clone());
        // Without a list it is the first one (OpenID Connect Discovery, 3).
        if methods.contains(&CoreClientAuthMethod::ClientSecretPost)
            && !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
        {
            client.set_auth_type(AuthType::RequestBody)
        } else {
            client
        }
    }

    /// The discovery document, with the keys.
    pub async fn metadata(&self) -> Result<Arc<CoreProviderMetadata>, ProviderError> {
        if let Some(known) = self.known.lock().at(Instant::now()) {
            return known;
        }
        let _turn = self.turn.lock().await;
        // Another request may have asked in the meantime.
        if let Some(known) = self.known.lock().at(Instant::now()) {
            return known;
        }
        let read = self.read().await;
        let mut known = self.known.lock();
        let now = Instant::now();
        match read {
            Ok(metadata) => {
                known.metadata = Some((Arc::new(metadata), now));
                known.failed = None;
            }
            Err(error) => {
                tracing::warn!(
                    %error,
                    "the OpenID provider cannot be read: people cannot sign in there; check \
                     --openid-issuer, the network and the certificate of the provider. Passwords \
                     and API tokens work"
                );
                known.failed = Some((error, now));
            }
        }
        known.at(now).unwrap_or_else(|| {
            Err(ProviderError {
                url: self.discovery_url(),
                cause: "it is not known".to_owned(),
            })
        })
    }

    async fn read(&self) -> Result<CoreProviderMetadata, ProviderError> {
        let issuer = self.settings.issuer.clone();
        let read = CoreProviderMetadata::discover_async(issuer, &self.http).await;
        let metadata = read.map_err(|error| failed(&self.discovery_url(), &error))?;
        let plain = without_tls(self.settings.issuer.url(), &metadata);
        match plain {
            None => Ok(metadata),
            Some(url) => Err(ProviderError {
                url: self.discovery_url(),
                cause: format!("it names an address without TLS: {url}"),
            }),
        }
    }

    /// The same with the present keys of the provider.
    async fn with_new_keys(
        &self,
        metadata: &CoreProviderMetadata,
    ) -> Result<Arc<CoreProviderMetadata>, ProviderError> {
        let _turn = self.turn.lock().await;
        // Only the keys: the rest of the document is an hour old at most.
        let url = metadata.jwks_uri();
        let keys = CoreJsonWebKeySet::fetch_async(url, &self.http).await;
        let keys = keys.map_err(|error| failed(url.as_str(), &error))?;
        let metadata = Arc::new(metadata.clone().set_jwks(keys));
        self.known.lock().metadata = Some((metadata.clone(), Instant::now()));
        Ok(metadata)
    }

    fn discovery_url(&self) -> String {
        let issuer = self.settings.issuer.as_str().trim_end_matches('/');
        format!("{issuer}/.well-known/openid-configuration")
    }
}

/// The first address without TLS of a provider with TLS: the code and the client secret would be
/// readable on their way.
fn without_tls<'a>(issuer: &Url, metadata: &'a CoreProviderMetadata) -> Option<&'a Url> {
    let addresses = [
        Some(metadata.authorization_endpoint().url()),
        metadata.token_endpoint().map(openidconnect::TokenUrl::url),
        Some(metadata.jwks_uri().url()),
    ];
    let is_plain = |url: &&Url| issuer.scheme() == "https" && url.scheme() != "https";
    addresses.into_iter().flatten().find(is_plain)
}

/// Why a code was not exchanged.
fn not_exchanged(url: &str, error: &CoreRequestTokenError<HttpError>) -> OpenIdError {
    match error {
        // The provider knows the client and not the code: it is old, used, or made up.
        RequestTokenError::ServerResponse(answer)
            if *answer.error() == CoreErrorResponseType::InvalidGrant =>
        {
            OpenIdError::Code
        }
        error => failed(url, error).into(),
    }
}

/// An error with its causes, without the client secret.
fn failed(url: &str, error: &dyn std::error::Error) -> ProviderError {
    let mut cause = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        write!(cause, ": {error}").expect("a string takes all text");
        source = error.source();
    }
    let printable = cause.chars().filter(|char| !char.is_control());
    ProviderError {
        url: url.to_owned(),
        cause: printable.take(QUOTED_CHARS_MAX).collect(),
    }
}

/// The rules for an ID token: the issuer and the audience are those of the client.
fn verifier(client: &Client, now: Timestamp) -> CoreIdTokenVerifier<'_> {
    let skew = TimeDelta::seconds(SKEW_SECONDS);
    client
        .id_token_verifier()
        .set_allowed_algs(ALGORITHMS)
        .set_time_fn(move || now - skew)
        .set_issue_time_verifier_fn(move |issued| {
            if issued > now + skew {
                return Err(format!("the ID token is of the future: {issued}"));
            }
            Ok(())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn failure(since: Instant) -> (ProviderError, Instant) {
        let error = ProviderError {
            url: "https://login.example.com".to_owned(),
            cause: "no answer".to_owned(),
        };
        (error, since)
    }

    #[test]
    fn a_failure_counts_for_seconds_and_then_the_provider_is_asked_again() {
        let start = Instant::now();
        let known = Known {
            metadata: None,
            failed: Some(failure(start)),
        };
        assert!(known.at(start).is_some_and(|known| known.is_err()));
        assert!(known.at(start + FAILED_FOR).is_none());
        assert!(Known::default().at(start).is_none());
    }

    #[test]
    fn a_provider_with_tls_names_no_address_without_tls() {
        let issuer = Url::parse("https://login.example.com").expect("an address");
        let addresses = ["authorization_endpoint", "token_endpoint", "jwks_uri"];
        let document = |plain: &str| {
            let mut document = json!({
                "issuer": issuer,
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            });
            for name in addresses {
                let scheme = if name == plain { "http" } else { "https" };
                document[name] = format!("{scheme}://login.example.com/{name}").into();
            }
            serde_json::from_value::<CoreProviderMetadata>(document).expect("a document")
        };
        assert_eq!(without_tls(&issuer, &document("")), None);
        for plain in addresses {
            let document = document(plain);
            let found = without_tls(&issuer, &document).expect("an address without TLS");
            assert!(found.path().ends_with(plain), "{found}");
        }
        let local = Url::parse("http://127.0.0.1:9000").expect("an address");
        assert_eq!(without_tls(&local, &document("jwks_uri")), None);
    }

    #[test]
    fn no_algorithm_of_the_list_has_a_shared_key() {
        for algorithm in ALGORITHMS {
            assert!(
                !format!("{algorithm:?}").starts_with("Hmac"),
                "{algorithm:?}"
            );
        }
    }
}
