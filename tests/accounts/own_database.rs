//! The commands about users and tokens without `DATABASE_URL`: the embedded PostgreSQL.

use horolog_embedded_postgres::EmbeddedPostgres;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A data directory; it goes with the test.
struct DataDir(PathBuf);

impl Drop for DataDir {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn run(line: &str, data_dir: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_horolog"))
        .args(line.split_whitespace())
        .env_remove("DATABASE_URL")
        .env("HOROLOG_DATA_DIR", data_dir)
        .output()
        .unwrap()
}

#[actix::test]
async fn without_a_url_the_commands_use_the_server_of_the_machine() {
    let name = format!("horolog-cli-{}", uuid::Uuid::new_v4().simple());
    let directory = DataDir(std::env::temp_dir().join(name));
    let refused = run("user create ada --admin", &directory.0);
    let error = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{error}");
    for words in ["DATABASE_URL is not set", directory.0.to_str().unwrap()] {
        assert!(error.contains(words), "{error}");
    }
    assert!(!directory.0.exists(), "nothing is created");

    // That of a demo, when there is no other.
    let demo = directory.0.join("demo");
    let server = EmbeddedPostgres::ensure_running(&demo, &[]).await.unwrap();
    let created = run("user create ada --admin", &directory.0);
    assert!(created.status.success(), "{created:?}");
    server.stop().await.unwrap();
    let listed = run("user list", &directory.0);
    server.stop().await.unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    assert!(text.contains("ada"), "it was started again: {text}");
}
