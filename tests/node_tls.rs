//! A node with a certificate: https, a renewal without a restart, and plain HTTP refused in words.

use crate::api_node::ApiNode;
use crate::support::eventually;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::{Path, PathBuf};

/// An authority, and the files of a certificate that it issues.
struct Issued {
    authority: CertifiedIssuer<'static, KeyPair>,
    directory: PathBuf,
}

impl Issued {
    fn new() -> Self {
        let directory =
            std::env::temp_dir().join(format!("horolog-https-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&directory).unwrap();
        let issued = Self {
            authority: authority(),
            directory,
        };
        issued.issue();
        issued
    }

    /// A new certificate of the present authority.
    fn issue(&self) {
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        std::fs::write(self.certificate(), certificate.pem()).unwrap();
        std::fs::write(self.key(), key.serialize_pem()).unwrap();
    }

    fn certificate(&self) -> PathBuf {
        self.directory.join("tls.crt")
    }

    fn key(&self) -> PathBuf {
        self.directory.join("tls.key")
    }

    /// A client that trusts the present authority alone.
    fn client(&self) -> reqwest::Client {
        let root = reqwest::Certificate::from_pem(self.authority.pem().as_bytes()).unwrap();
        reqwest::Client::builder()
            .tls_certs_only([root])
            .build()
            .unwrap()
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

async fn start(issued: &Issued) -> (ApiNode, String) {
    let (certificate, key) = (issued.certificate(), issued.key());
    let flags = [
        "--listen",
        "127.0.0.1:0",
        "--tls-certificate",
        text(&certificate),
        "--tls-key",
        text(&key),
    ];
    let node = ApiNode::start_with(&flags).await;
    let https = node.url.replace("http://", "https://");
    (node, https)
}

#[actix::test]
async fn a_node_with_a_certificate_speaks_https_only() {
    let issued = Issued::new();
    let (node, https) = start(&issued).await;
    let answer = issued.client().get(format!("{https}/healthz")).send().await;
    let answer = answer.unwrap();
    assert!(answer.status().is_success());
    assert_eq!(
        answer.headers()["strict-transport-security"],
        "max-age=31536000"
    );
    let request = serde_json::json!({"query": "{ cluster { jobs { active } } }"});
    let answer = issued.client().post(format!("{https}/graphql"));
    let answer = answer.json(&request).send().await.unwrap();
    assert!(
        answer.status().is_success(),
        "{}",
        answer.text().await.unwrap()
    );

    let scheme = eventually("the node is listed for Prometheus", async || {
        let targets = issued
            .client()
            .get(format!("{https}/cluster/prometheus-sd"));
        let targets: serde_json::Value = targets.send().await.ok()?.json().await.ok()?;
        Some(targets.get(0)?["labels"]["__scheme__"].clone())
    });
    assert_eq!(scheme.await, "https");

    let plain = node.http.get(format!("{}/healthz", node.url)).send().await;
    let plain = plain.unwrap();
    assert_eq!(plain.status(), 400);
    assert_eq!(
        plain.text().await.unwrap(),
        "this address speaks TLS: use https://…\n"
    );
    let stranger = node.http.get(format!("{https}/healthz")).send().await;
    assert!(stranger.is_err(), "the authority is not trusted");
}

#[actix::test]
async fn a_renewed_certificate_is_used_without_a_restart() {
    let mut issued = Issued::new();
    let (_node, https) = start(&issued).await;
    let health = format!("{https}/healthz");
    let before = issued.client();
    before.get(&health).send().await.unwrap();

    std::fs::write(issued.key(), "half a renewal").unwrap();
    issued.authority = authority();
    issued.issue();
    eventually(
        "a new connection gets the renewed certificate",
        async || issued.client().get(&health).send().await.ok(),
    )
    .await;
    let open = before.get(&health).send().await;
    assert!(
        open.is_ok() || open.is_err_and(|error| error.is_connect()),
        "an open connection stays, or a new one is refused for its certificate"
    );
}

#[test]
fn a_certificate_without_its_key_is_refused() {
    use clap::Parser;
    #[derive(Parser)]
    struct Settings {
        #[command(flatten)]
        _serve: horolog::config::ServeConfig,
    }
    let parsed = Settings::try_parse_from(["horolog", "--tls-certificate", "tls.crt"]);
    let error = parsed.err().expect("refused").to_string();
    assert!(error.contains("--tls-key"), "{error}");
}
