//! TLS to a real PostgreSQL: which client gets through, and to which server.

use horolog::clock::Clock;
use horolog::store::Store;
use horolog::store::db::database::Database;
use horolog_embedded_postgres::EmbeddedPostgres;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_postgres::{Client, NoTls};

const PATIENCE: Duration = Duration::from_secs(30);

/// A certificate authority, and a file with its certificate.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    fn new(dir: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let file = dir.join(name);
        std::fs::write(&file, issuer.pem()).unwrap();
        Self { issuer, file }
    }
}

/// Gives the server a certificate for `localhost`, as its own user.
async fn switch_on(sql: &Client, authority: &Authority) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority.issuer).unwrap();
    for (file, text) in [
        ("server.crt", certificate.pem()),
        ("server.key", key.serialize_pem()),
    ] {
        let lines = text.replace('\r', "").trim().replace('\n', "'),('");
        let write = format!("copy (values ('{lines}')) to program 'umask 077; cat > {file}'");
        sql.batch_execute(&write).await.unwrap();
    }
    let trust = "copy (values ('local all all trust'), \
        ('host all all 127.0.0.0/8 trust')) to program 'cat > pg_hba.conf'";
    sql.batch_execute(trust).await.unwrap();
    sql.batch_execute("alter system set ssl = on")
        .await
        .unwrap();
    sql.batch_execute("select pg_reload_conf()").await.unwrap();
}

/// Whether the connection is encrypted; the error if there is none.
async fn encrypted(url: &str) -> Result<bool, String> {
    let database = Database::parse(url, PATIENCE).map_err(|error| error.to_string())?;
    let (client, _messages) = database
        .connect()
        .await
        .map_err(|error| format!("{:#}", anyhow::Error::from(error)))?;
    let row = client
        .query_one(
            "select ssl from pg_stat_ssl where pid = pg_backend_pid()",
            &[],
        )
        .await
        .unwrap();
    Store::new(&database, 1, PATIENCE, Clock::Database)
        .ping()
        .await
        .unwrap();
    Ok(row.get(0))
}

#[actix::test]
async fn the_tls_mode_of_the_url_decides_how_a_server_is_checked() {
    let dir = std::env::temp_dir().join(format!("horolog-tls-{}", uuid::Uuid::new_v4().simple()));
    // A loopback address without another listener: the port is always the same.
    let address = format!(
        "127.77.{}.{}",
        std::process::id() >> 8 & 255,
        std::process::id() & 255
    );
    let settings = [("fsync", "off"), ("listen_addresses", address.as_str())];
    let server = EmbeddedPostgres::ensure_running(&dir, &settings)
        .await
        .unwrap();
    let url = |host: &str, query: &str| {
        format!("postgresql://horolog@{host}/horolog?hostaddr={address}&{query}")
    };
    let (sql, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let certificates =
        std::env::temp_dir().join(format!("horolog-tls-ca-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir(&certificates).unwrap();
    let (ours, other) = (
        Authority::new(&certificates, "ours.pem"),
        Authority::new(&certificates, "other.pem"),
    );
    let root = |authority: &Authority| format!("&sslrootcert={}", authority.file.display());

    let refused = encrypted(&url("127.0.0.1", "sslmode=require"))
        .await
        .unwrap_err();
    assert!(
        refused.contains("does not support TLS; sslmode=disable does without"),
        "{refused}"
    );

    switch_on(&sql, &ours).await;
    crate::support::eventually("TLS is on", async || {
        encrypted(&url("localhost", "sslmode=require")).await.ok()
    })
    .await;
    let cases = [
        ("localhost", "verify-full", root(&ours), Some(true)),
        ("127.0.0.1", "verify-full", root(&ours), None),
        ("127.0.0.1", "verify-ca", root(&ours), Some(true)),
        ("localhost", "verify-full", root(&other), None),
        ("localhost", "verify-ca", root(&other), None),
        ("localhost", "require", root(&other), None),
        ("127.0.0.1", "require", String::new(), Some(true)),
        ("127.0.0.1", "disable", String::new(), Some(false)),
    ];
    for (host, mode, root, expected) in cases {
        let seen = encrypted(&url(host, &format!("sslmode={mode}{root}"))).await;
        let as_expected = match &seen {
            Ok(seen) => expected == Some(*seen),
            Err(said) => expected.is_none() && said.contains("certificate"),
        };
        assert!(
            as_expected,
            "{host} {mode}{root}: {seen:?} instead of {expected:?}"
        );
    }

    server.stop().await.unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::remove_dir_all(&certificates).unwrap();
}
