//! A browser: cookies with their paths and `SameSite`, and navigations that follow redirects. A
//! site is a host name; its pages send what they send to their own.

use crate::http_client::http_client;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use serde_json::{Value, json};
use url::Url;

/// A cookie of a site.
#[derive(Debug, Clone)]
pub struct Cookie {
    host: String,
    pub name: String,
    pub value: String,
    path: String,
    is_strict: bool,
    /// All attributes, as they were sent.
    pub text: String,
}

/// Where a navigation ended.
#[derive(Debug)]
pub struct Page {
    pub url: Url,
    pub status: u16,
    /// The addresses that the browser went through.
    pub through: Vec<Url>,
}

pub struct Browser {
    http: reqwest::Client,
    pub cookies: Vec<Cookie>,
}

impl Browser {
    pub fn new() -> Self {
        // Redirects are followed here, with the cookies of each site.
        drop(http_client());
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        Self {
            http,
            cookies: Vec::new(),
        }
    }

    /// Follows a link of a page of the same site, and all redirects. One foreign site on the way
    /// makes the rest of it a foreign navigation.
    pub async fn visit(&mut self, url: &str) -> Page {
        let mut url = Url::parse(url).unwrap();
        let site = host(&url);
        let mut is_same_site = true;
        let mut through = Vec::new();
        loop {
            let (status, next) = self.step(&url, is_same_site).await;
            let Some(next) = next else {
                return Page {
                    url,
                    status,
                    through,
                };
            };
            is_same_site = is_same_site && host(&next) == site;
            through.push(std::mem::replace(&mut url, next));
            assert!(through.len() < 10, "a circle: {through:?}");
        }
    }

    /// One request of a navigation: the status, and the next address.
    pub async fn step(&mut self, url: &Url, is_same_site: bool) -> (u16, Option<Url>) {
        let site = if is_same_site {
            "same-origin"
        } else {
            "cross-site"
        };
        let request = self.http.get(url.clone());
        let request = request
            .header(COOKIE, self.cookies_for(url, is_same_site))
            .header("accept", "text/html")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-site", site);
        let answer = request.send().await.unwrap();
        for text in answer.headers().get_all(SET_COOKIE) {
            self.keep(url, text.to_str().unwrap());
        }
        let next = answer.headers().get(LOCATION);
        let next = next.map(|next| url.join(next.to_str().unwrap()).unwrap());
        (answer.status().as_u16(), next)
    }

    /// A query by a page of the site.
    pub async fn ask(&self, origin: &str, query: &str) -> (u16, Value) {
        let url = Url::parse(&format!("{origin}/graphql")).unwrap();
        let request = self.http.post(url.clone());
        let request = request
            .header(COOKIE, self.cookies_for(&url, true))
            .header("origin", origin)
            .header("sec-fetch-site", "same-origin")
            .json(&json!({ "query": query }));
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap())
    }

    /// Has a cookie for all paths of a host.
    pub fn carry(&mut self, host: &str, name: &str, value: &str) {
        let url = Url::parse(&format!("http://{host}/")).unwrap();
        self.keep(&url, &format!("{name}={value}; Path=/"));
    }

    pub fn cookie(&self, name: &str) -> Option<&Cookie> {
        self.cookies.iter().find(|cookie| cookie.name == name)
    }

    fn cookies_for(&self, url: &Url, is_same_site: bool) -> String {
        let sent = self.cookies.iter().filter(|cookie| {
            cookie.host == host(url)
                && url.path().starts_with(&cookie.path)
                && (is_same_site || !cookie.is_strict)
        });
        let pairs = sent.map(|cookie| format!("{}={}", cookie.name, cookie.value));
        pairs.collect::<Vec<_>>().join("; ")
    }

    fn keep(&mut self, url: &Url, text: &str) {
        let mut parts = text.split("; ");
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        let attributes: Vec<&str> = parts.collect();
        let path = attributes
            .iter()
            .find_map(|part| part.strip_prefix("Path="));
        self.cookies
            .retain(|cookie| cookie.name != name || cookie.host != host(url));
        if attributes.contains(&"Max-Age=0") {
            return;
        }
        self.cookies.push(Cookie {
            host: host(url),
            name: name.to_owned(),
            value: value.to_owned(),
            path: path.unwrap_or("/").to_owned(),
            is_strict: attributes.contains(&"SameSite=Strict"),
            text: text.to_owned(),
        });
    }
}

fn host(url: &Url) -> String {
    url.host_str().unwrap().to_owned()
}
