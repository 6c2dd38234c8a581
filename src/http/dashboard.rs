//! The dashboard: the files of `static/dist` at build time, each also as brotli and as gzip.
//! Without such files, one plain page.
//!
//! A navigation to `/` or to an unknown path gets the page of the dashboard, with the routes
//! inside. A program, or the request of a page for an asset, never gets HTML for a missing file,
//! but a 404, which no cache stores.

use super::accept::{takes, wants_page};
use super::base_path::put_in;
use super::{GRAPHQL_PATHS, NodeView};
use crate::model::introspection::Introspection;
use actix_web::http::Method;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, EntityTag,
    Header, IfNoneMatch, VARY,
};
use actix_web::{HttpRequest, HttpResponse, web};
use rust_embed::{EmbeddedFile, RustEmbed};
use std::path::Path;

/// The output of `make dashboard`.
#[derive(RustEmbed)]
#[folder = "static/dist"]
#[allow_missing = true]
struct Files;

/// The page of the dashboard, which has the routes.
const PAGE: &str = "index.html";
/// The page of a build without a dashboard.
const PLAIN_PAGE: &str = include_str!("plain.html");
/// Everything from this node, nothing inline. The live connection has the same origin, and
/// `connect-src 'self'` covers it in all current browsers.
const POLICY: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";
/// GraphiQL, which needs introspection.
const PLAYGROUND: &str = "graphiql";
/// Names below have a hash of the content: a cache may keep such files without a limit.
const HASHED: &str = "assets/";
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ASK_AGAIN: &str = "no-cache";
/// Encodings of a file, the smallest first, and the ends of their names.
const ENCODINGS: [(&str, &str); 2] = [("br", "br"), ("gzip", "gz")];
/// Paths for programs, with everything below them.
const MACHINE_PATHS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// A file of the dashboard, its page, or 404.
pub async fn serve(request: HttpRequest) -> HttpResponse {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return HttpResponse::NotFound().finish();
    }
    let path = request.path().trim_start_matches('/');
    if path.trim_end_matches(".html") == PLAYGROUND && !has_playground(&request) {
        return HttpResponse::NotFound().finish();
    }
    // `/graphiql` is `graphiql.html`.
    for name in [path.to_owned(), format!("{path}.html")] {
        if let Some(answer) = file(&request, &name) {
            return answer;
        }
    }
    if !path.is_empty() && !is_navigation(&request) {
        return HttpResponse::NotFound().finish();
    }
    file(&request, PAGE).unwrap_or_else(|| {
        let mut answer = HttpResponse::Ok();
        answer
            .content_type("text/html; charset=utf-8")
            .insert_header((CACHE_CONTROL, ASK_AGAIN));
        answer.body(put_in(base_path(&request), PLAIN_PAGE))
    })
}

/// The prefix of a proxy before the addresses of the page.
fn base_path(request: &HttpRequest) -> &str {
    request
        .app_data::<web::Data<NodeView>>()
        .map_or("", |view| &view.base_path)
}

/// Whether this node serves GraphiQL.
pub fn has_playground(request: &HttpRequest) -> bool {
    request
        .app_data::<web::Data<NodeView>>()
        .is_some_and(|view| view.introspection == Introspection::On)
}

/// Whether a browser navigates to a page of the dashboard.
fn is_navigation(request: &HttpRequest) -> bool {
    let path = request.path();
    // `/metrics-of-today` is no path for programs.
    let is_of_programs = GRAPHQL_PATHS.iter().chain(&MACHINE_PATHS).any(|root| {
        path.strip_prefix(*root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    let is_asset = path.trim_start_matches('/').starts_with(HASHED);
    !is_of_programs && !is_asset && wants_page(request)
}

/// The file of this name in the best encoding for the client. A name with the end of an encoding is
/// a file, too, but no page links there.
fn file(request: &HttpRequest, name: &str) -> Option<HttpResponse> {
    let plain = Files::get(name)?;
    let base_path = base_path(request);
    if !base_path.is_empty()
        && Path::new(name)
            .extension()
            .is_some_and(|extension| extension == "html")
    {
        // The page is changed for the base path, so that its compressed forms do not match.
        let mut answer = HttpResponse::Ok();
        answer
            .content_type(media_type(name))
            .insert_header((CACHE_CONTROL, ASK_AGAIN));
        answer.insert_header((CONTENT_SECURITY_POLICY, POLICY));
        return Some(answer.body(put_in(base_path, &String::from_utf8_lossy(&plain.data))));
    }
    let encoded = ENCODINGS
        .into_iter()
        .filter(|(encoding, _)| takes(request, encoding))
        .find_map(|(encoding, suffix)| {
            Some((Some(encoding), Files::get(&format!("{name}.{suffix}"))?))
        });
    let (encoding, file) = encoded.unwrap_or((None, plain));

    let tag = entity_tag(&file);
    let is_known = match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
        Ok(IfNoneMatch::Any) => request.headers().contains_key("if-none-match"),
        Err(_) => false,
    };
    let mut answer = if is_known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    answer
        .insert_header((ETAG, tag.to_string()))
        .insert_header((VARY, "accept-encoding"))
        .insert_header((
            CACHE_CONTROL,
            if name.starts_with(HASHED) {
                FOR_EVER
            } else {
                ASK_AGAIN
            },
        ));
    let media_type = media_type(name);
    if media_type.starts_with("text/html") {
        answer.insert_header((CONTENT_SECURITY_POLICY, POLICY));
    }
    if is_known {
        return Some(answer.finish());
    }
    if let Some(encoding) = encoding {
        answer.insert_header((CONTENT_ENCODING, encoding));
    }
    Some(
        answer
            .insert_header((CONTENT_TYPE, media_type))
            .body(file.data),
    )
}

fn entity_tag(file: &EmbeddedFile) -> EntityTag {
    // 64 bits suffice to distinguish two builds of one file.
    let hash = file
        .metadata
        .sha256_hash()
        .first_chunk()
        .map_or(0, |start| u64::from_be_bytes(*start));
    EntityTag::new_strong(format!("{hash:016x}"))
}

/// Media types of the files of the build. With `nosniff` a wrong one is noticed at once.
fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        Some("woff2") => "font/woff2",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    }
}
