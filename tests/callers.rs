//! The callers of a node over HTTP: credentials, sessions, trusted proxies, the set-up.

use crate::api_node::ApiNode;
use crate::support::access::{PASSWORD, token, user};
use crate::support::eventually;
use reqwest::header::{COOKIE, HeaderMap, ORIGIN, SET_COOKIE};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

/// All routes that need a caller, with their methods.
const CLOSED: [(Method, &str); 9] = [
    (Method::POST, "/graphql"),
    (Method::GET, "/graphql?query=%7B__typename%7D"),
    (Method::POST, "/scheduler-instance/graphql"),
    (
        Method::GET,
        "/scheduler-instance/graphql?query=%7B__typename%7D",
    ),
    (Method::GET, "/metrics"),
    (Method::HEAD, "/metrics"),
    (Method::GET, "/%6Detrics"),
    (Method::GET, "/cluster/members"),
    (Method::GET, "/cluster/prometheus-sd"),
];

const ME: &str = "{ me { name kind role sessionExpiresAt } }";

fn request(node: &ApiNode, method: &Method, path: &str) -> RequestBuilder {
    let request = node
        .http
        .request(method.clone(), format!("{}{path}", node.url));
    if *method == Method::POST {
        request.json(&json!({"query": "{ __typename }"}))
    } else {
        request
    }
}

/// Posts a query with headers; the status and the answer.
async fn ask(node: &ApiNode, query: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let mut request = node
        .http
        .post(format!("{}/graphql", node.url))
        .json(&json!({"query": query}));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    (
        answer.status().as_u16(),
        answer.json().await.unwrap_or_default(),
    )
}

async fn sign_in(node: &ApiNode, name: &str, password: &str) -> Response {
    let credentials = json!({"name": name, "password": password});
    let request = node
        .http
        .post(format!("{}/session", node.url))
        .json(&credentials);
    request.send().await.unwrap()
}

/// The cookie of an answer as a browser sends it back.
fn cookie(headers: &HeaderMap) -> String {
    let cookie = headers[SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

/// A node whose cluster has an admin `ada`, closed.
async fn closed_with(flags: &[&str]) -> ApiNode {
    let flags = [&["--listen", "127.0.0.1:0"], flags].concat();
    let node = ApiNode::start_with(&flags).await;
    user(&node.database.client().await, "ada", "ADMIN").await;
    await_closed(&node).await;
    node
}

async fn await_closed(node: &ApiNode) {
    eventually("the node is closed", async || {
        (node.status("/metrics").await == 401).then_some(())
    })
    .await;
}

#[actix::test]
async fn every_route_needs_a_caller_but_health_sessions_and_the_dashboard() {
    let node = closed_with(&[]).await;
    for (method, path) in CLOSED {
        let refused = request(&node, &method, path).send().await.unwrap();
        assert_eq!(refused.status(), 401, "{method} {path}");
        assert_eq!(refused.headers()["www-authenticate"], "Bearer");
        if method != Method::HEAD {
            let refused: Value = refused.json().await.unwrap();
            let code = &refused["errors"][0]["extensions"]["code"];
            assert_eq!(code, "UNAUTHENTICATED", "{method} {path}");
        }
    }
    for path in ["/healthz", "/readyz", "/", "/nowhere"] {
        assert_ne!(node.status(path).await, 401, "{path}");
    }
}

/// A handler without a caller as an argument is open: each new one must be added here.
#[test]
fn the_open_handlers_are_these() {
    const OPEN: [&str; 11] = [
        "dashboard::serve",
        "graphql::other_method",
        "health::healthz",
        "health::readyz",
        // The provider judges the browser.
        "openid::begin",
        "openid::callback",
        "openid::options",
        "session::set_up",
        "session::sign_in",
        "session::sign_out",
        // Its caller may come with the first message.
        "sockets::open",
    ];
    let read = |file: &str| {
        let path = format!("{}/src/http/{file}.rs", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    };
    let routes = read("mod");
    let handlers = routes
        .split(".to(")
        .skip(1)
        .chain(routes.split("web::to(").skip(1))
        .filter_map(|rest| rest.split(')').next());
    let mut open: Vec<&str> = handlers
        .filter(|handler| {
            let (file, function) = handler.split_once("::").unwrap();
            let source = read(file);
            let (_, signature) = source
                .split_once(&format!("pub async fn {function}("))
                .unwrap_or_else(|| panic!("{handler}"));
            let (arguments, _) = signature.split_once("-> HttpResponse").unwrap();
            !arguments.contains("Authenticated") && !arguments.contains("Scraper")
        })
        .collect();
    open.sort_unstable();
    open.dedup();
    assert_eq!(open, OPEN);
}

#[actix::test]
async fn a_wrong_credential_is_never_anonymous() {
    let open = ApiNode::start().await;
    let closed = closed_with(&[]).await;
    let wrong = [
        ("authorization", "Bearer hrl_wrong"),
        ("authorization", "Bearer nothing"),
        ("authorization", "Bearer"),
        ("authorization", ""),
        ("authorization", "Basic YWRhOmFkYQ=="),
        ("cookie", "horolog_session=nothing"),
        ("cookie", "horolog_session="),
        ("cookie", "a=b; horolog_session=x; horolog_session=y"),
    ];
    for node in [&open, &closed] {
        for (method, path) in CLOSED {
            for (name, value) in wrong {
                let request = request(node, &method, path).header(name, value);
                let refused = request.send().await.unwrap();
                assert_eq!(refused.status(), 401, "{method} {path} {name}: {value}");
            }
        }
    }
    let (status, _) = ask(&open, ME, &[]).await;
    assert_eq!(status, 200, "an open node");
}

#[actix::test]
async fn a_token_is_a_caller_until_it_is_revoked_or_expires() {
    let node = ApiNode::start().await;
    let client = node.database.client().await;
    let text = token(&client, "OPERATOR").await;
    let bearer = format!("Bearer {text}");
    let (status, answer) = ask(&node, ME, &[("authorization", &bearer)]).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        answer["data"]["me"],
        json!({"name": "operator", "kind": "TOKEN", "role": "OPERATOR", "sessionExpiresAt": null})
    );
    client
        .execute(
            "update api_token set expires_at = now() - interval '1 hour'",
            &[],
        )
        .await
        .unwrap();
    let error = eventually("the token has expired", async || {
        let (status, answer) = ask(&node, ME, &[("authorization", &bearer)]).await;
        (status == 401).then(|| answer["errors"][0].clone())
    })
    .await;
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("API token expired at"), "{message}");
}

#[actix::test]
async fn a_session_is_a_cookie_with_all_attributes_and_ends_with_the_sign_out() {
    let node = closed_with(&[]).await;
    let signed_in = sign_in(&node, "ada", PASSWORD).await;
    assert_eq!(signed_in.status(), 204);
    let set = signed_in.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(set.split("; ").any(|part| part == attribute), "{set}");
    }
    assert!(!set.contains("Secure"), "by http: {set}");
    let first = cookie(signed_in.headers());
    let (status, answer) = ask(&node, ME, &[("cookie", &first)]).await;
    let me = &answer["data"]["me"];
    assert_eq!(
        (status, &me["name"], &me["kind"]),
        (200, &json!("ada"), &json!("USER"))
    );
    assert!(me["sessionExpiresAt"].is_string(), "{me}");

    let by_https = node
        .http
        .post(format!("{}/session", node.url))
        .header("x-forwarded-proto", "https")
        .header(COOKIE, &first)
        .json(&json!({"name": "ada", "password": PASSWORD}));
    let by_https = by_https.send().await.unwrap();
    let set = by_https.headers()[SET_COOKIE].to_str().unwrap();
    assert!(set.split("; ").any(|part| part == "Secure"), "{set}");
    let second = cookie(by_https.headers());
    assert_ne!(first, second, "a sign-in makes a new session");

    let sign_out = node
        .http
        .delete(format!("{}/session", node.url))
        .header(COOKIE, &second);
    let signed_out = sign_out.send().await.unwrap();
    assert_eq!(signed_out.status(), 204);
    let set = signed_out.headers()[SET_COOKIE].to_str().unwrap();
    assert!(set.starts_with("horolog_session=;") && set.contains("Max-Age=0"));
    let replay = request(&node, &Method::POST, "/graphql").header(COOKIE, &second);
    let replay = replay.send().await.unwrap();
    assert_eq!(replay.status(), 401);
    assert!(
        replay.headers().contains_key(SET_COOKIE),
        "a dead cookie is removed"
    );
    assert_eq!(
        ask(&node, ME, &[("cookie", &first)]).await.0,
        200,
        "the other session"
    );
}

#[actix::test]
async fn a_sign_in_that_fails_says_the_same_for_every_reason() {
    let node = closed_with(&[]).await;
    let mut answers = Vec::new();
    for (name, password) in [
        ("ada", "wrong"),
        ("nothing", "wrong"),
        ("", ""),
        ("a b", PASSWORD),
    ] {
        let refused = sign_in(&node, name, password).await;
        assert_eq!(refused.status(), 401);
        assert!(!refused.headers().contains_key(SET_COOKIE));
        answers.push(refused.text().await.unwrap());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    let throttled = eventually("sign-ins are throttled", async || {
        let refused = sign_in(&node, "ada", "wrong").await;
        (refused.status() == 429).then_some(refused)
    })
    .await;
    let wait = throttled.headers()["retry-after"].to_str().unwrap();
    assert!(wait.parse::<u64>().unwrap() > 0);
}

#[actix::test]
async fn the_body_of_a_sign_in_is_small_json_and_is_never_quoted() {
    let node = closed_with(&[]).await;
    let post = async |content_type: &str, body: String| {
        let request = node
            .http
            .post(format!("{}/session", node.url))
            .header("content-type", content_type)
            .body(body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let credentials = json!({"name": "ada", "password": PASSWORD}).to_string();
    assert_eq!(post("text/plain", credentials.clone()).await.0, 415);
    let large = format!("{credentials}{}", " ".repeat(4 * 1024));
    assert_eq!(post("application/json", large).await.0, 413);
    for body in [
        format!("{{\"name\": \"ada\", \"password\": [\"{PASSWORD}\"]}}"),
        format!("{{\"name\": \"ada\", {PASSWORD}"),
        format!("\"{PASSWORD}\""),
    ] {
        let (status, answer) = post("application/json", body).await;
        assert_eq!(status, 400, "{answer}");
        assert!(!answer.contains("horse"), "{answer}");
    }
}

#[actix::test]
async fn a_page_of_another_site_has_no_use_of_a_cookie() {
    let node = closed_with(&[]).await;
    let session = cookie(sign_in(&node, "ada", PASSWORD).await.headers());
    let foreign = [
        ("cookie", session.as_str()),
        ("origin", "https://evil.example"),
    ];
    assert_eq!(ask(&node, ME, &foreign).await.0, 403);
    let own = [("cookie", session.as_str()), ("origin", node.url.as_str())];
    assert_eq!(ask(&node, ME, &own).await.0, 200);
    for (method, path) in [
        (Method::POST, "/session"),
        (Method::DELETE, "/session"),
        (Method::POST, "/session/set-up"),
    ] {
        let request = node
            .http
            .request(method, format!("{}{path}", node.url))
            .header(COOKIE, &session)
            .header(ORIGIN, "https://evil.example")
            .json(&json!({"name": "ada", "password": PASSWORD, "token": ""}));
        assert_eq!(request.send().await.unwrap().status(), 403, "{path}");
    }
    assert_eq!(ask(&node, ME, &own).await.0, 200, "the session continues");
}

#[actix::test]
async fn a_trusted_proxy_names_the_user_and_no_other_address_does() {
    let flags = |proxy| ["--trusted-proxy", proxy, "--proxy-user-header", "X-User"];
    let trusting = closed_with(&flags("127.0.0.1")).await;
    let named = |name| [("x-user", name)];
    let (status, answer) = ask(&trusting, ME, &named("ada")).await;
    assert_eq!(
        (status, &answer["data"]["me"]["name"]),
        (200, &json!("ada"))
    );
    for wrong in ["nothing", "a b"] {
        assert_eq!(ask(&trusting, ME, &named(wrong)).await.0, 401, "{wrong}");
    }
    let twice = [("x-user", "ada"), ("x-user", "ada")];
    assert_eq!(ask(&trusting, ME, &twice).await.0, 401, "two names");
    // The proxy's own credential may stand in the request; that of a program is a credential.
    let of_proxy = [("x-user", "ada"), ("authorization", "Basic YWRhOmFkYQ==")];
    assert_eq!(ask(&trusting, ME, &of_proxy).await.0, 200);
    let token = [("x-user", "ada"), ("authorization", "Bearer hrl_wrong")];
    assert_eq!(ask(&trusting, ME, &token).await.0, 401);

    let other = closed_with(&flags("10.0.0.7")).await;
    assert_eq!(ask(&other, ME, &named("ada")).await.0, 401);
    let session = cookie(sign_in(&other, "ada", PASSWORD).await.headers());
    let both = [("x-user", "nothing"), ("cookie", session.as_str())];
    assert_eq!(ask(&other, ME, &both).await.0, 200, "without the header");
}

#[actix::test]
async fn all_nodes_close_when_the_first_user_exists() {
    let first = ApiNode::start().await;
    let second = first.another().await;
    for node in [&first, &second] {
        assert_eq!(node.status("/metrics").await, 200);
        assert_eq!(ask(node, "{ jobs { id } }", &[]).await.0, 200);
    }
    user(&first.database.client().await, "ada", "ADMIN").await;
    for node in [&first, &second] {
        await_closed(node).await;
        assert_eq!(ask(node, "{ jobs { id } }", &[]).await.0, 401);
        let session = cookie(sign_in(&first, "ada", PASSWORD).await.headers());
        assert_eq!(ask(node, ME, &[("cookie", &session)]).await.0, 200);
    }
}
