//! Providers that do something wrong: none of them lets a person in.

use super::browser::Browser;
use super::provider::{Fault, OpenIdProvider};
use super::{Site, refusal};
use crate::support::access::{PASSWORD, user};
use crate::support::eventually;
use reqwest::header::LOCATION;
use reqwest::redirect::Policy;
use serde_json::json;

#[actix::test]
async fn an_id_token_that_is_not_of_this_sign_in_lets_no_person_in() {
    let site = Site::start().await;
    for fault in [
        Fault::Nonce,
        Fault::NoNonce,
        Fault::Audience,
        Fault::SecondAudience,
        Fault::Issuer,
        Fault::Expired,
        Fault::OfTheFuture,
        Fault::NoSubject,
        Fault::Unsigned,
        Fault::PublicKeyAsSecret,
        Fault::ClientSecret,
        Fault::ForeignKey,
        Fault::UnknownKey,
        Fault::ChangedClaims,
    ] {
        site.provider.does_wrong(fault);
        let mut browser = Browser::new();
        let page = site.sign_in(&mut browser).await;
        assert_eq!(refusal(&page), "token", "{fault:?}");
        assert!(browser.cookies.is_empty(), "{fault:?}");
    }
    site.provider.does_wrong(Fault::None);
    assert_eq!(site.refusal().await, "", "the provider does it right");
}

#[actix::test]
async fn an_answer_that_is_none_lets_no_person_in() {
    let site = Site::start().await;
    for (fault, code) in [
        (Fault::NoIdToken, "provider"),
        (Fault::InvalidClient, "provider"),
        (Fault::ServerError, "provider"),
        (Fault::NotJson, "provider"),
        (Fault::HugeTokens, "provider"),
        // The client secret must not follow to another address.
        (Fault::Redirects, "provider"),
        (Fault::InvalidGrant, "not-started"),
    ] {
        site.provider.does_wrong(fault);
        assert_eq!(site.refusal().await, code, "{fault:?}");
    }
}

#[actix::test]
async fn a_provider_that_is_silent_makes_no_other_request_wait() {
    let site = Site::start().await;
    user(&site.node.database.client().await, "bob", "VIEWER").await;
    site.provider.does_wrong(Fault::Silent);
    let mut browser = Browser::new();
    let waiting = std::pin::pin!(site.sign_in(&mut browser));
    let other = std::pin::pin!(async {
        eventually("the node waits for the provider", async || {
            (site.provider.requests("/token") == 1).then_some(())
        })
        .await;
        let credentials = json!({"name": "bob", "password": PASSWORD});
        let request = site.node.http.post(format!("{}/session", site.node.url));
        request.json(&credentials).send().await.unwrap().status()
    });
    match futures_util::future::select(waiting, other).await {
        futures_util::future::Either::Left(_) => panic!("the provider has answered"),
        futures_util::future::Either::Right((status, waiting)) => {
            assert_eq!(status, 204);
            assert_eq!(refusal(&waiting.await), "provider", "not for ever");
        }
    }
}

#[actix::test]
async fn a_silent_provider_holds_64_sign_ins_and_no_more() {
    let provider = OpenIdProvider::start();
    provider.does_wrong(Fault::SilentAboutItself);
    let site = Site::start_at(provider, &["--openid-grant", "ops=OPERATOR"]).await;
    // One client for all: each new one reads the certificates of the system.
    let client = reqwest::Client::builder().redirect(Policy::none());
    let client = client.no_proxy().build().unwrap();
    let url = format!("{}/session/openid", site.node.url);
    let sign_ins: Vec<_> = (0..65).map(|_| client.get(&url).send()).collect();
    let (first, ..) = futures_util::future::select_all(sign_ins).await;
    let answer = first.unwrap();
    let page = answer.headers()[LOCATION].to_str().unwrap();
    assert!(page.ends_with("?error=busy"), "{page}");
}

#[actix::test]
async fn new_keys_of_the_provider_are_read_when_a_token_needs_them() {
    let site = Site::start().await;
    assert_eq!(site.refusal().await, "");
    let read = site.provider.requests("/keys");
    assert_eq!(site.refusal().await, "");
    assert_eq!(site.provider.requests("/keys"), read, "they are kept");
    site.provider.rotate("second");
    assert_eq!(site.refusal().await, "");
    assert_eq!(site.provider.requests("/keys"), read + 1);
    site.provider.rotate("second");
    assert_eq!(site.refusal().await, "", "another key of the same name");
    let discovered = "/.well-known/openid-configuration";
    assert_eq!(site.provider.requests(discovered), 1, "for an hour");
}

#[actix::test]
async fn a_provider_that_names_itself_otherwise_is_not_asked_for_tokens() {
    for (members, what) in [
        (json!({"issuer": "http://localhost:1"}), "another issuer"),
        (json!({"jwks_uri": "nowhere"}), "no address"),
        (json!({"padding": "a".repeat(300 * 1024)}), "too large"),
    ] {
        let site = Site::start_described(members).await;
        assert_eq!(site.refusal().await, "provider", "{what}");
        assert_eq!(site.provider.requests("/authorize"), 0, "{what}");
    }
}

#[actix::test]
async fn refused_sign_ins_are_in_the_audit_log_without_secrets() {
    let site = Site::start().await;
    let reasons = async || {
        let client = site.node.database.client().await;
        let query = "select action || ' ' || (details->>'reason') from audit_log \
            where outcome = 'REFUSED' order by seq";
        let rows = client.query(query, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect::<Vec<String>>()
    };
    site.provider.does_wrong(Fault::Expired);
    site.sign_in(&mut Browser::new()).await;
    site.provider.does_wrong(Fault::None);
    let claims = json!({"sub": "9", "preferred_username": "eve", "groups": ["guests"]});
    site.provider.says(claims);
    site.sign_in(&mut Browser::new()).await;
    let reasons = reasons().await;
    assert!(reasons[0].contains("expired"), "{reasons:?}");
    assert_eq!(
        reasons[1],
        "signIn no role for eve: no --openid-grant is for one of the groups [guests] (claim \
         `groups`)"
    );
    let all = reasons.join(" ");
    for secret in ["code-", "eyJ", super::CLIENT_SECRET] {
        assert!(!all.contains(secret), "{secret} {all}");
    }
}
