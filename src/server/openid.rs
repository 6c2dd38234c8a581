//! The OpenID provider of a node, from the settings.

use crate::access::openid::{
    OpenId, OpenIdSetUpError, OpenIdSettings, read_authorities, read_secret,
};
use crate::config::OpenIdConfig;
use crate::http::Provider;
use crate::store::Store;
use openidconnect::{ClientId, ClientSecret, IssuerUrl, RedirectUrl, Scope};
use std::sync::Arc;

/// The provider, which is asked for the addresses from now on; none without the setting.
pub(super) fn provider(config: &OpenIdConfig, store: &Store) -> Result<Provider, OpenIdSetUpError> {
    let Some(settings) = settings(config)? else {
        return Ok(Provider::default());
    };
    let openid = Arc::new(OpenId::new(settings, store.clone())?);
    let asked = openid.clone();
    // The start does not wait for the provider: a node must fire even while sign-in is down.
    actix::spawn(async move { asked.check().await });
    Ok(Provider(Some(openid)))
}

fn settings(config: &OpenIdConfig) -> Result<Option<OpenIdSettings>, OpenIdSetUpError> {
    let (Some(issuer), Some(client_id), Some(redirect_url)) = (
        &config.openid_issuer,
        &config.openid_client_id,
        &config.openid_redirect_url,
    ) else {
        return Ok(None);
    };
    let issuer = IssuerUrl::new(issuer.clone()).map_err(|source| OpenIdSetUpError::Address {
        flag: "--openid-issuer",
        source,
    })?;
    let secret = config.openid_client_secret_file.as_deref();
    let secret = secret.map(read_secret).transpose()?;
    let authorities = config.openid_ca_file.as_deref();
    let authorities = authorities.map(read_authorities).transpose()?;
    let scopes = config.openid_scope.iter().cloned();
    Ok(Some(OpenIdSettings {
        issuer,
        client_id: ClientId::new(client_id.clone()),
        client_secret: secret.map(|secret| ClientSecret::new(secret.expose().to_owned())),
        redirect_url: RedirectUrl::from_url(redirect_url.clone()),
        name: config.openid_name.clone(),
        scopes: scopes.map(Scope::new).collect(),
        groups_claim: config.openid_groups_claim.clone(),
        grants: config.openid_grant.clone(),
        authorities: authorities.unwrap_or_default(),
    }))
}
