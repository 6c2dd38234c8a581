//! The way of a browser to the provider and back.

use super::browser::Browser;
use super::{Site, refusal};
use crate::support::access::{PASSWORD, user};
use horolog::access::openid::Attempt;
use serde_json::{Value, json};
use url::Url;

#[actix::test]
async fn a_person_signs_in_at_the_provider_and_has_an_ordinary_session() {
    let site = Site::start().await;
    let mut browser = Browser::new();
    let page = site.sign_in(&mut browser).await;
    let dashboard = format!("{}/", site.node.url);
    assert_eq!((page.url.as_str(), page.status), (dashboard.as_str(), 200));
    let way: Vec<&str> = page.through.iter().map(Url::path).collect();
    let expected = ["/session/openid", "/authorize", "/session/openid/callback"];
    assert_eq!(way, expected);

    let me = site.me(&browser).await;
    let (name, role) = (&me["name"], &me["role"]);
    assert_eq!((name, role), (&json!("ada"), &json!("OPERATOR")), "{me}");
    assert!(me["sessionExpiresAt"].is_string(), "{me}");

    let session = browser.cookie("horolog_session").unwrap();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(session.text.split("; ").any(|part| part == attribute));
    }
    assert!(browser.cookie("horolog_openid").is_none(), "it is over");
}

#[actix::test]
async fn the_cookie_of_a_sign_in_on_its_way_is_bound_to_it() {
    let site = Site::start().await;
    let mut browser = Browser::new();
    let begin = Url::parse(&format!("{}/session/openid", site.node.url)).unwrap();
    let (status, next) = browser.step(&begin, true).await;
    assert_eq!(status, 303);
    let attempt = browser.cookie("horolog_openid").unwrap();
    for attribute in [
        "HttpOnly",
        "SameSite=Lax",
        "Path=/session/openid",
        "Max-Age=600",
    ] {
        assert!(attempt.text.split("; ").any(|part| part == attribute));
    }
    let next = next.unwrap();
    let query = next.query().unwrap();
    for secret in attempt.value.split('.').skip(1) {
        assert!(!query.contains(secret), "the secret of the cookie: {query}");
    }
    for parameter in [
        "code_challenge_method=S256",
        "nonce=",
        "state=",
        "scope=openid+profile",
    ] {
        assert!(query.contains(parameter), "{query}");
    }
}

#[actix::test]
async fn keys_of_rsa_and_of_elliptic_curves_sign() {
    let site = Site::start().await;
    site.provider.use_rsa();
    assert_eq!(site.refusal().await, "");
}

#[actix::test]
async fn another_node_finishes_what_one_has_started() {
    let site = Site::start().await;
    let other = site.another().await;
    let mut browser = Browser::new();
    let begin = Url::parse(&format!("{}/session/openid", site.node.url)).unwrap();
    let (_, next) = browser.step(&begin, true).await;
    let (_, back) = browser.step(&next.unwrap(), false).await;
    let mut back = back.unwrap();
    let port = Url::parse(&other.url).unwrap().port();
    back.set_port(port).unwrap();
    let (status, page) = browser.step(&back, false).await;
    assert_eq!((status, page.unwrap().fragment()), (303, None));
    let me = site.me(&browser).await;
    assert_eq!(me["name"], "ada", "a session of all nodes");
}

#[actix::test]
async fn an_address_counts_once_in_the_browser_that_has_started_it() {
    let site = Site::start().await;
    let mut browser = Browser::new();
    let begin = Url::parse(&format!("{}/session/openid", site.node.url)).unwrap();
    let (_, next) = browser.step(&begin, true).await;
    let (_, back) = browser.step(&next.unwrap(), false).await;
    let back = back.unwrap();
    let kept = browser.cookies.clone();

    let mut stranger = Browser::new();
    let (_, page) = stranger.step(&back, false).await;
    assert_eq!(page.unwrap().fragment(), Some("/sign-in?error=not-started"));
    assert_eq!(site.provider.requests("/token"), 0, "nothing is asked for");

    // One with a sign-in of its own is not that one either.
    stranger.step(&begin, true).await;
    let (_, page) = stranger.step(&back, false).await;
    assert_eq!(page.unwrap().fragment(), Some("/sign-in?error=not-started"));

    let (_, page) = browser.step(&back, false).await;
    assert_eq!(page.unwrap().fragment(), None);
    let mut again = Browser::new();
    again.cookies = kept;
    let (_, page) = again.step(&back, false).await;
    assert_eq!(page.unwrap().fragment(), Some("/sign-in?error=not-started"));
    assert!(again.cookie("horolog_session").is_none());
}

/// The provider may take a code twice; the node takes a sign-in once.
#[actix::test]
async fn a_sign_in_counts_once_whatever_the_provider_takes() {
    let site = Site::start().await;
    let mut browser = Browser::new();
    let attempt = Attempt::begin(chrono::DateTime::from_timestamp(now(), 0).unwrap());
    for expected in [None, Some("/sign-in?error=not-started")] {
        browser.carry("127.0.0.1", "horolog_openid", attempt.cookie());
        let back = site.authorized(&attempt).await;
        let (_, page) = browser.step(&back, false).await;
        assert_eq!(page.unwrap().fragment(), expected);
    }
    let used = "select details->>'reason' from audit_log where outcome = 'REFUSED'";
    let client = site.node.database.client().await;
    let reason: String = client.query_one(used, &[]).await.unwrap().get(0);
    assert!(reason.contains("was used already"), "{reason}");
}

#[actix::test]
async fn a_sign_in_that_took_too_long_is_begun_again() {
    let site = Site::start().await;
    let mut browser = Browser::new();
    let attempt = Attempt::begin(chrono::DateTime::from_timestamp(now() - 601, 0).unwrap());
    browser.carry("127.0.0.1", "horolog_openid", attempt.cookie());
    let back = site.authorized(&attempt).await;
    let (_, page) = browser.step(&back, false).await;
    assert_eq!(page.unwrap().fragment(), Some("/sign-in?error=expired"));
    assert_eq!(site.provider.requests("/token"), 0);
}

#[actix::test]
async fn what_the_provider_refuses_and_what_another_one_says_is_no_sign_in() {
    let site = Site::start().await;
    for (name, value, code) in [
        ("error", "access_denied", "denied"),
        ("error", "<b>\n\u{202e}", "denied"),
        ("iss", "http://localhost:1", "not-started"),
    ] {
        let mut browser = Browser::new();
        let attempt = Attempt::begin(chrono::DateTime::from_timestamp(now(), 0).unwrap());
        browser.carry("127.0.0.1", "horolog_openid", attempt.cookie());
        let mut back = Url::parse(&format!("{}/session/openid/callback", site.node.url)).unwrap();
        back.query_pairs_mut()
            .append_pair("state", &attempt.state())
            .append_pair("code", "code")
            .append_pair(name, value);
        let (_, page) = browser.step(&back, false).await;
        let expected = format!("/sign-in?error={code}");
        assert_eq!(page.unwrap().fragment(), Some(expected.as_str()), "{value}");
    }
    assert_eq!(site.provider.requests("/token"), 0);
}

#[actix::test]
async fn a_page_of_another_site_signs_no_user_in() {
    let site = Site::start().await;
    let mut browser = Browser::new();
    let begin = Url::parse(&format!("{}/session/openid", site.node.url)).unwrap();
    let (_, page) = browser.step(&begin, false).await;
    assert_eq!(page.unwrap().fragment(), Some("/sign-in?error=not-started"));
    assert!(browser.cookies.is_empty());
}

#[actix::test]
async fn the_sign_in_page_learns_the_ways_to_sign_in() {
    let grants = ["--openid-grant", "ops=OPERATOR", "--openid-name", "Example"];
    let site = Site::start_with(&grants).await;
    let options = async |url: &str| {
        let answer = site.node.http.get(format!("{url}/session/options"));
        answer.send().await.unwrap().json::<Value>().await.unwrap()
    };
    let expected = json!({"password": true, "openId": {"name": "Example"}});
    assert_eq!(options(&site.node.url).await, expected);
    assert_eq!(site.node.status("/metrics").await, 401, "no user, not open");

    let without = site.node.another().await;
    let expected = json!({"password": true, "openId": null});
    assert_eq!(options(&without.url).await, expected);
    for path in ["/session/openid", "/session/openid/callback"] {
        assert_eq!(without.status(path).await, 404, "{path}");
    }
}

#[actix::test]
async fn a_provider_that_is_gone_locks_no_user_out_who_has_a_password() {
    let site = Site::start().await;
    user(&site.node.database.client().await, "bob", "VIEWER").await;
    site.provider.stop().await;
    // The discovery document may have been read at the start; the tokens have not.
    assert_eq!(site.refusal_of_callback().await, "provider");
    let credentials = json!({"name": "bob", "password": PASSWORD});
    let request = site
        .node
        .http
        .post(format!("{}/session", site.node.url))
        .json(&credentials);
    assert_eq!(request.send().await.unwrap().status(), 204);
}

impl Site {
    /// Lets the provider authorize a sign-in that the node did not start; the address back.
    async fn authorized(&self, attempt: &Attempt) -> Url {
        let verifier = openidconnect::PkceCodeVerifier::new(attempt.verifier());
        let challenge = openidconnect::PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        let callback = format!("{}/session/openid/callback", self.node.url);
        let mut url = Url::parse(&format!("{}/authorize", self.provider.issuer)).unwrap();
        url.query_pairs_mut()
            .append_pair("client_id", super::CLIENT_ID)
            .append_pair("response_type", "code")
            .append_pair("scope", "openid")
            .append_pair("code_challenge_method", "S256")
            .append_pair("code_challenge", challenge.as_str())
            .append_pair("nonce", &attempt.nonce())
            .append_pair("state", &attempt.state())
            .append_pair("redirect_uri", &callback);
        let (_, back) = Browser::new().step(&url, true).await;
        back.unwrap()
    }

    /// The refusal of a callback with a code.
    async fn refusal_of_callback(&self) -> String {
        let mut browser = Browser::new();
        let attempt = Attempt::begin(chrono::DateTime::from_timestamp(now(), 0).unwrap());
        browser.carry("127.0.0.1", "horolog_openid", attempt.cookie());
        let callback = format!(
            "{}/session/openid/callback?code=code&state={}",
            self.node.url,
            attempt.state()
        );
        refusal(&browser.visit(&callback).await)
    }
}

fn now() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    since.as_secs().try_into().unwrap()
}
