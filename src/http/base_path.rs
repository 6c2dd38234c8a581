//! The base path: the prefix of a proxy before the addresses of a node. The proxy may leave the
//! prefix in a request or remove it; pages have the prefix in both cases.

use super::NodeView;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Uri;
use actix_web::middleware::Next;
use actix_web::{Error, web};

/// Removes the base path from the address of a request.
pub async fn take_out(
    view: web::Data<NodeView>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if let Some(uri) = without(&view.base_path, request.uri()) {
        // The router has its own copy of the path.
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
    next.call(request).await
}

/// A page of the build below the base path: its addresses begin with `/`.
pub fn put_in(base_path: &str, page: &str) -> String {
    page.replace("=\"/", &format!("=\"{base_path}/"))
}

/// An address without the base path. `None`: it has none.
pub fn without(base_path: &str, uri: &Uri) -> Option<Uri> {
    let rest = uri
        .path()
        .strip_prefix(base_path)
        .filter(|_| !base_path.is_empty())?;
    let root = match rest.chars().next() {
        None => "/",
        Some('/') => "",
        // `/jobs` is no prefix path of `/jobs-of-others`.
        Some(_) => return None,
    };
    let query = uri
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{root}{rest}{query}").parse().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_path_is_taken_out_of_what_is_below_it() {
        let rest = |uri: &str| {
            without("/a/b", &uri.parse().expect("an address")).map(|rest| rest.to_string())
        };
        assert_eq!(rest("/a/b/jobs?x=%2F&y").as_deref(), Some("/jobs?x=%2F&y"));
        assert_eq!(rest("/a/b/a/b").as_deref(), Some("/a/b"), "once");
        assert_eq!(rest("/a/b").as_deref(), Some("/"));
        assert_eq!(
            rest("http://host:1/a/b//x").as_deref(),
            Some("http://host:1//x")
        );
        for other in ["/", "/a", "/a/bc", "/jobs", "/x/a/b/"] {
            assert_eq!(rest(other), None, "{other}");
        }
        assert!(without("", &"/jobs".parse().expect("an address")).is_none());
    }

    #[test]
    fn a_page_names_the_base_path() {
        let page = r#"<meta name="base" content="/"><script src="/assets/a.js"></script><p>POST /graphql</p>"#;
        let below = r#"<meta name="base" content="/a/"><script src="/a/assets/a.js"></script><p>POST /graphql</p>"#;
        assert_eq!(put_in("/a", page), below);
    }
}
