//! TLS to PostgreSQL: the meaning of `sslmode`, `sslrootcert`, `sslcert` and `sslkey` of the URL,
//! as in libpq (<https://www.postgresql.org/docs/current/libpq-ssl.html>), with two differences.
//! Without `sslmode` a server outside of the machine must prove its identity; and `allow` and
//! `prefer` are refused, because an attacker in between can force plain text.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use tokio_postgres::Config;
use tokio_postgres::config::Host;
use tokio_postgres_rustls::MakeRustlsConnect;
use url::form_urlencoded;

/// The mode requested by the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SslMode {
    /// No encryption: `sslmode=disable`.
    Disable,
    /// Encrypted; the other end is not checked, unless a root certificate is named.
    Require,
    /// The certificate is by a trusted root.
    VerifyCa,
    /// The certificate is by a trusted root, and names the host.
    VerifyFull,
}

impl std::fmt::Display for SslMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Disable => "disable",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        })
    }
}

/// The keys of TLS in a URL, removed from the URL: the driver knows only two values of `sslmode`.
#[derive(Debug, Default)]
pub(super) struct TlsKeys {
    mode: Option<String>,
    root: Option<String>,
    cert: Option<String>,
    key: Option<String>,
}

impl TlsKeys {
    /// The URL without the keys, and the keys.
    pub(super) fn taken_from(url: &str) -> (String, Self) {
        let mut keys = Self::default();
        let Some((address, query)) = url.split_once('?').filter(|_| url.contains("://")) else {
            return (url.to_owned(), keys);
        };
        let mut others = Vec::new();
        for pair in query.split('&') {
            let (name, value) = form_urlencoded::parse(pair.as_bytes())
                .next()
                .map(|(name, value)| (name, value.into_owned()))
                .unzip();
            let place = match name.as_deref() {
                Some("sslmode") => &mut keys.mode,
                Some("sslrootcert") => &mut keys.root,
                Some("sslcert") => &mut keys.cert,
                Some("sslkey") => &mut keys.key,
                _ => {
                    others.push(pair);
                    continue;
                }
            };
            *place = value.filter(|value| !value.is_empty());
        }
        (format!("{address}?{}", others.join("&")), keys)
    }

    /// The mode; the error names the key.
    pub(crate) fn mode(&self, config: &Config) -> Result<SslMode, String> {
        Ok(match self.mode.as_deref() {
            None if is_here(config) => SslMode::Disable,
            None | Some("verify-full") => SslMode::VerifyFull,
            Some("disable") => SslMode::Disable,
            // libpq: with a root certificate, `require` is `verify-ca`.
            Some("require") if self.root.is_none() => SslMode::Require,
            Some("require" | "verify-ca") => SslMode::VerifyCa,
            Some(mode @ ("allow" | "prefer")) => {
                return Err(format!(
                    "sslmode={mode} can be made plain text by whoever stands in between: say \
                     verify-full, or disable"
                ));
            }
            Some(mode) => {
                return Err(format!(
                    "sslmode={} is none: say verify-full, verify-ca, require or disable",
                    mode.escape_debug()
                ));
            }
        })
    }

    /// Reads the files; the error names the wrong file.
    pub(super) fn connector(&self, mode: SslMode) -> Result<MakeRustlsConnect, String> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| error.to_string())?;
        let builder = match mode {
            SslMode::VerifyFull => builder.with_root_certificates(self.roots()?),
            SslMode::VerifyCa => {
                let chain = WebPkiServerVerifier::builder_with_provider(
                    Arc::new(self.roots()?),
                    provider.clone(),
                );
                let chain = chain
                    .build()
                    .map_err(|error| format!("sslrootcert: {error}"))?;
                builder
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(NameUnchecked {
                        chain: Some(chain),
                        algorithms: algorithms(&provider),
                    }))
            }
            SslMode::Require | SslMode::Disable => {
                let algorithms = algorithms(&provider);
                builder
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(NameUnchecked {
                        chain: None,
                        algorithms,
                    }))
            }
        };
        let config = match (&self.cert, &self.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(cert), Some(key)) => {
                let private = PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| unreadable("sslkey", key, &error))?;
                let certs = certificates("sslcert", cert)?;
                builder
                    .with_client_auth_cert(certs, private)
                    .map_err(|error| format!("sslcert {cert}: {error}"))?
            }
            _ => return Err("sslcert and sslkey belong together".to_owned()),
        };
        Ok(MakeRustlsConnect::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        match self.root.as_deref() {
            None | Some("system") => {
                let (added, _) =
                    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                // Without a root every server would be refused, with a less helpful error.
                if added == 0 {
                    return Err(
                        "this system has no root certificates: name one with sslrootcert, \
                                or install \
                                ca-certificates"
                            .to_owned(),
                    );
                }
            }
            Some(file) => {
                for certificate in certificates("sslrootcert", file)? {
                    roots
                        .add(certificate)
                        .map_err(|error| format!("sslrootcert {file}: {error}"))?;
                }
            }
        }
        Ok(roots)
    }
}

/// Whether the server is on the machine. An address comes before the name in the URL.
fn is_here(config: &Config) -> bool {
    let is_loopback = |name: &str| {
        name == "localhost"
            || name
                .parse()
                .is_ok_and(|address: IpAddr| address.is_loopback())
    };
    config.get_hostaddrs().iter().all(IpAddr::is_loopback)
        && config.get_hosts().iter().all(|host| match host {
            #[cfg(unix)]
            Host::Unix(_) => true,
            Host::Tcp(name) => is_loopback(name),
        })
}

fn certificates(key: &str, file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_file_iter(Path::new(file))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(key, file, &error))?;
    if certificates.is_empty() {
        Err(format!("{key} {file} holds no certificate in PEM"))
    } else {
        Ok(certificates)
    }
}

fn unreadable(key: &str, file: &str, error: &impl std::fmt::Display) -> String {
    format!("{key} {file} cannot be read: {error}")
}

fn algorithms(provider: &CryptoProvider) -> WebPkiSupportedAlgorithms {
    provider.signature_verification_algorithms
}

/// A server without a check of the name, and with a check of the chain only if there is a root. The
/// possession of the key of the certificate is always checked.
#[derive(Debug)]
struct NameUnchecked {
    chain: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for NameUnchecked {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        // The verifier checks the name last.
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> Result<SslMode, String> {
        let (rest, keys) = TlsKeys::taken_from(url);
        let config: Config = rest.parse().expect("parses without the keys");
        keys.mode(&config)
    }

    #[test]
    fn a_server_elsewhere_must_prove_who_it_is_unless_the_url_says_otherwise() {
        let cases = [
            ("postgresql://db.example.com/x", SslMode::VerifyFull),
            ("postgresql://127.0.0.1/x", SslMode::Disable),
            (
                "postgresql://[::1],localhost/x?connect_timeout=3",
                SslMode::Disable,
            ),
            ("postgresql://localhost,db/x", SslMode::VerifyFull),
            (
                "postgresql://localhost/x?hostaddr=10.0.0.1",
                SslMode::VerifyFull,
            ),
            ("postgresql:///x?host=/run/postgresql", SslMode::Disable),
            (
                "postgresql://127.0.0.1/x?sslmode=verify-full",
                SslMode::VerifyFull,
            ),
            (
                "postgresql://a:1,b:2/x?sslmode=verify-ca&sslrootcert=/etc/a%20b.pem",
                SslMode::VerifyCa,
            ),
            ("postgresql://db/x?sslmode=require", SslMode::Require),
            (
                "postgresql://db/x?sslmode=require&sslrootcert=/x.pem",
                SslMode::VerifyCa,
            ),
            ("postgresql://db/x?sslmode=disable", SslMode::Disable),
        ];
        for (url, expected) in cases {
            assert_eq!(mode(url), Ok(expected), "{url}");
        }
    }

    #[test]
    fn what_can_be_downgraded_or_is_no_mode_is_refused_with_its_name() {
        for (url, word) in [
            ("prefer", "prefer"),
            ("allow", "allow"),
            ("verify_full", "verify_full"),
        ] {
            assert!(
                mode(&format!("postgresql://db/x?sslmode={url}"))
                    .is_err_and(|error| error.contains(word))
            );
        }
    }

    #[test]
    fn a_wrong_file_is_named() {
        let connector = |query: &str| {
            let (_, keys) = TlsKeys::taken_from(&format!("postgresql://db/x?{query}"));
            keys.connector(SslMode::VerifyFull).err()
        };
        let no_pem = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let cases = [
            ("sslrootcert=/none.pem".to_owned(), "sslrootcert /none.pem"),
            (format!("sslrootcert={no_pem}"), "holds no certificate"),
            ("sslcert=/none.pem".to_owned(), "belong together"),
            (
                "sslcert=/none.pem&sslkey=/none.key".to_owned(),
                "sslkey /none.key",
            ),
        ];
        for (query, text) in cases {
            let error = connector(&query);
            assert!(
                error.as_ref().is_some_and(|error| error.contains(text)),
                "{query}: {error:?}"
            );
        }
    }
}
