//! The dashboard as the program serves it: caching, encodings, and the clients that get the page.
//! Without a built `static/dist` the program holds the plain page instead, and the tests check that
//! page.

use crate::api_node::ApiNode;
use reqwest::Response;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderName, IF_NONE_MATCH};
use std::path::Path;

/// What a browser sends when a person types an address.
const NAVIGATION: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

/// Whether the program under test holds the dashboard; says so when it does not.
fn is_built() -> bool {
    let built = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("static/dist/index.html")
        .exists();
    if !built {
        eprintln!(
            "the dashboard is not built (make dashboard): its own tests are SKIPPED, \
             the plain page is tested"
        );
    }
    built
}

async fn get(node: &ApiNode, path: &str, headers: &[(HeaderName, &str)]) -> Response {
    let request = headers.iter().fold(
        node.http.get(format!("{}{path}", node.url)),
        |request, (name, value)| request.header(name, *value),
    );
    request.send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap())
        .unwrap_or_default()
}

/// The address of the page's script.
fn script(page: &str) -> String {
    let (_, rest) = page
        .split_once("src=\"/assets/")
        .expect("the page has a script");
    format!("/assets/{}", rest.split('"').next().unwrap())
}

#[actix::test]
async fn browsers_get_a_page_at_every_path_and_programs_at_the_root_only() {
    let node = ApiNode::start().await;
    let title = if is_built() {
        "<div id=\"root\">"
    } else {
        "make dashboard"
    };

    for path in ["/", "/jobs", "/jobs/018f-x/edit", "/jobs?search=a"] {
        let page = get(&node, path, &[(ACCEPT, NAVIGATION)]).await;
        assert_eq!(page.status(), StatusCode::OK, "{path}");
        assert_eq!(
            header(&page, "content-type"),
            "text/html; charset=utf-8",
            "{path}"
        );
        assert_eq!(header(&page, "cache-control"), "no-cache", "{path}");
        assert!(page.text().await.unwrap().contains(title), "{path}");
    }
    for path in [
        "/assets/gone-1234.js",
        "/metrics/x",
        "/graphql/x",
        "/scheduler-instance/graphql/x",
        "/healthz/x",
    ] {
        let gone = get(&node, path, &[(ACCEPT, NAVIGATION)]).await;
        assert_eq!(gone.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let root = get(&node, "/", &[(ACCEPT, "*/*")]).await;
    assert!(
        root.text().await.unwrap().contains(title),
        "`curl /` shows that somebody is there"
    );
    for path in [
        "/jobs",
        "/favicon.ico",
        "/../Cargo.toml",
        "/..%2fCargo.toml",
    ] {
        let gone = get(&node, path, &[(ACCEPT, "*/*")]).await;
        assert_eq!(gone.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let posted = node
        .http
        .post(format!("{}/jobs", node.url))
        .header(ACCEPT, NAVIGATION)
        .send()
        .await
        .unwrap();
    assert_eq!(posted.status(), StatusCode::NOT_FOUND);
}

#[actix::test]
async fn the_page_may_load_nothing_from_elsewhere_and_nothing_inline() {
    let node = ApiNode::start().await;
    let page = get(&node, "/", &[(ACCEPT, NAVIGATION)]).await;
    let policy = header(&page, "content-security-policy").to_owned();
    assert_eq!(header(&page, "x-content-type-options"), "nosniff");
    assert_eq!(header(&page, "referrer-policy"), "no-referrer");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let html = page.text().await.unwrap();
    assert!(
        !html.contains("<style") && !html.contains("style="),
        "{html}"
    );
    assert!(!html.contains("://"), "{html}");
    if is_built() {
        assert!(policy.contains("default-src 'self'"), "{policy}");
        assert!(
            html.split("<script")
                .skip(1)
                .all(|script| script.contains(" src=\"/")),
            "{html}"
        );
    }
}

#[actix::test]
async fn hashed_assets_are_cached_for_ever_and_known_ones_are_not_sent_again() {
    if !is_built() {
        return;
    }
    let node = ApiNode::start().await;
    let page = get(&node, "/", &[(ACCEPT, NAVIGATION)]).await;
    let tag = header(&page, "etag").to_owned();
    let path = script(&page.text().await.unwrap());

    let known = get(&node, "/", &[(ACCEPT, NAVIGATION), (IF_NONE_MATCH, &tag)]).await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(header(&known, "etag"), tag);
    let changed = get(
        &node,
        "/",
        &[(ACCEPT, NAVIGATION), (IF_NONE_MATCH, "\"another\"")],
    )
    .await;
    assert_eq!(changed.status(), StatusCode::OK);

    let plain = get(&node, &path, &[(ACCEPT_ENCODING, "identity")]).await;
    assert_eq!(
        header(&plain, "cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(
        header(&plain, "content-type"),
        "text/javascript; charset=utf-8"
    );
    assert_eq!(header(&plain, "content-encoding"), "");
    let plain_tag = header(&plain, "etag").to_owned();
    let plain_bytes = plain.bytes().await.unwrap().len();

    for (accepted, encoding) in [
        ("gzip, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip", "gzip"),
    ] {
        let encoded = get(&node, &path, &[(ACCEPT_ENCODING, accepted)]).await;
        assert_eq!(header(&encoded, "content-encoding"), encoding);
        assert_eq!(header(&encoded, "vary"), "accept-encoding");
        assert_ne!(
            header(&encoded, "etag"),
            plain_tag,
            "another representation has another tag"
        );
        assert!(encoded.bytes().await.unwrap().len() < plain_bytes / 2);
    }
}
