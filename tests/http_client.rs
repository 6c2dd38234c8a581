//! The client of the tests: no proxy, whatever the machine says.

/// A client; the TLS provider is the process's, and whoever comes first sets it.
pub fn http_client() -> reqwest::Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy().build().unwrap()
}
