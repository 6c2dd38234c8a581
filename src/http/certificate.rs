//! The certificate of a node: two PEM files that are read again when they change.
//!
//! Certificates of today live for weeks, and a program renews them (certbot, cert-manager). A node
//! must not restart for that, and a half-written renewal must not take the API away: while the
//! files cannot be used, the previous certificate stays.

use parking_lot::RwLock;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Interval of the checks for a renewal.
const CHECK_EVERY: Duration = Duration::from_secs(10);

/// Why the files of a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {path} ({flag})")]
    Unreadable {
        /// Setting that names the file.
        flag: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// Error of the system.
        source: std::io::Error,
    },
    /// A file holds no certificate or no private key in PEM.
    #[error("{path} ({flag}) is no PEM file with a {wanted}: {reason}")]
    NotPem {
        /// Setting that names the file.
        flag: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// `certificate` or `private key`.
        wanted: &'static str,
        /// The cause in words.
        reason: String,
    },
    /// The key does not belong to the certificate, or its kind is unknown.
    #[error("the certificate {certificate} cannot be used with the key {key}")]
    Mismatch {
        /// Path of the certificate.
        certificate: PathBuf,
        /// Path of the key.
        key: PathBuf,
        /// Error of the library `rustls`.
        source: rustls::Error,
    },
}

/// The paths of a certificate and its key.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    /// PEM: the certificate of the node first, then those that lead to its authority.
    pub certificate: PathBuf,
    /// PEM: the private key (PKCS #8, PKCS #1 or SEC 1).
    pub key: PathBuf,
}

/// The contents of the two files.
#[derive(PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// The certificate that a node shows to its clients.
pub struct Certificate {
    files: CertificateFiles,
    /// The contents that were looked at last, usable or not.
    seen: RwLock<Contents>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// Reads the files for the first time. A node does not start without a usable certificate.
    pub fn read(files: CertificateFiles) -> Result<Arc<Self>, CertificateError> {
        let contents = files.read()?;
        let current = files.certified_key(&contents)?;
        Ok(Arc::new(Self {
            files,
            seen: RwLock::new(contents),
            current: RwLock::new(Arc::new(current)),
        }))
    }

    /// Looks for a renewal every ten seconds, as long as the certificate is in use.
    pub async fn follow(self: Arc<Self>) {
        // A weak reference: the task ends with the server that shows the certificate.
        let certificate = Arc::downgrade(&self);
        drop(self);
        loop {
            tokio::time::sleep(CHECK_EVERY).await;
            let Some(certificate) = certificate.upgrade() else {
                return;
            };
            // Files may be on a network.
            let checked = tokio::task::spawn_blocking(move || certificate.check()).await;
            match checked {
                Ok(Ok(true)) => tracing::info!("the certificate was renewed"),
                Ok(Ok(false)) | Err(_) => {}
                Ok(Err(error)) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the renewed certificate cannot be used: the previous one stays"
                ),
            }
        }
    }

    /// Reads the files, and uses new contents. Whether there were any. Each bad renewal is an error
    /// once.
    pub fn check(&self) -> Result<bool, CertificateError> {
        let contents = self.files.read()?;
        if contents == *self.seen.read() {
            return Ok(false);
        }
        let renewed = self.files.certified_key(&contents);
        // Noted before the error: a bad renewal is logged once, not at every check.
        *self.seen.write() = contents;
        *self.current.write() = Arc::new(renewed?);
        Ok(true)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().clone())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

const CERTIFICATE_FLAG: &str = "--tls-certificate";
const KEY_FLAG: &str = "--tls-key";

fn read_file(flag: &'static str, path: &Path) -> Result<Vec<u8>, CertificateError> {
    std::fs::read(path).map_err(|source| CertificateError::Unreadable {
        flag,
        path: path.to_owned(),
        source,
    })
}

impl CertificateFiles {
    fn read(&self) -> Result<Contents, CertificateError> {
        Ok(Contents {
            certificate: read_file(CERTIFICATE_FLAG, &self.certificate)?,
            key: read_file(KEY_FLAG, &self.key)?,
        })
    }

    fn certified_key(&self, contents: &Contents) -> Result<CertifiedKey, CertificateError> {
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&contents.certificate)
                .collect::<Result<_, _>>()
                .map_err(|error| self.no_certificate(error.to_string()))?;
        if chain.is_empty() {
            return Err(self.no_certificate("it holds none".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|error| {
            CertificateError::NotPem {
                flag: KEY_FLAG,
                path: self.key.clone(),
                wanted: "private key",
                reason: error.to_string(),
            }
        })?;
        CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|source| {
            CertificateError::Mismatch {
                certificate: self.certificate.clone(),
                key: self.key.clone(),
                source,
            }
        })
    }

    fn no_certificate(&self, reason: String) -> CertificateError {
        CertificateError::NotPem {
            flag: CERTIFICATE_FLAG,
            path: self.certificate.clone(),
            wanted: "certificate",
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (String, String) {
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
            .expect("a name")
            .self_signed(&key)
            .expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    fn files(certificate: &str, key: &str) -> CertificateFiles {
        let directory =
            std::env::temp_dir().join(format!("horolog-cert-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&directory).expect("a directory");
        let files = CertificateFiles {
            certificate: directory.join("tls.crt"),
            key: directory.join("tls.key"),
        };
        write(&files, certificate, key);
        files
    }

    fn write(files: &CertificateFiles, certificate: &str, key: &str) {
        std::fs::write(&files.certificate, certificate).expect("written");
        std::fs::write(&files.key, key).expect("written");
    }

    fn first(certificate: &Certificate) -> Vec<u8> {
        certificate.current.read().cert[0].to_vec()
    }

    #[test]
    fn a_renewal_is_used_and_a_bad_one_is_reported_once_and_changes_nothing() {
        let ((first_pem, first_key), (second_pem, second_key)) = (pair(), pair());
        let files = files(&first_pem, &first_key);
        let certificate = Certificate::read(files.clone()).expect("usable");
        let before = first(&certificate);
        assert!(!certificate.check().expect("readable"), "nothing is new");

        write(&files, &second_pem, &first_key);
        let error = certificate.check().expect_err("half of a renewal");
        assert!(
            matches!(error, CertificateError::Mismatch { .. }),
            "{error}"
        );
        assert!(!certificate.check().expect("said before"));
        assert_eq!(first(&certificate), before);

        write(&files, &second_pem, &second_key);
        assert!(certificate.check().expect("usable"));
        assert_ne!(first(&certificate), before);

        std::fs::remove_file(&files.key).expect("removed");
        certificate.check().expect_err("there is no key");
        write(&files, &second_pem, &second_key);
        assert!(!certificate.check().expect("as before"));
        std::fs::remove_dir_all(files.key.parent().expect("a directory")).expect("removed");
    }

    #[test]
    fn an_error_names_the_setting_and_the_file() {
        let (pem, key) = pair();
        let read = |files: CertificateFiles| Certificate::read(files).expect_err("refused");
        let missing = CertificateFiles {
            certificate: "/nowhere/tls.crt".into(),
            key: "/nowhere/tls.key".into(),
        };
        for (error, expected) in [
            (
                read(missing),
                "cannot read /nowhere/tls.crt (--tls-certificate)",
            ),
            (read(files("", &key)), "(--tls-certificate) is no PEM file"),
            (read(files(&pem, "nothing")), "(--tls-key) is no PEM file"),
            (
                read(files(&key, &key)),
                "(--tls-certificate) is no PEM file",
            ),
        ] {
            let error = error.to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("PRIVATE KEY"), "{error}");
        }
    }
}
