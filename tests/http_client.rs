//! The client of the tests: no proxy, whatever the machine says.

/// A client; the TLS provider is the process's, and the first caller sets it.
pub fn http_client() -> reqwest::Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    // A node closes a connection that rests for 15 s. On a busy machine that may be the moment of
    // the next request.
    reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap()
}
