//! `horolog secret`, against a database, and the key file of a node.

use crate::processes::node_process::NodeProcess;
use crate::support::TestDatabase;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A database without the schema, and a directory for key files.
struct Shell {
    database: TestDatabase,
    directory: PathBuf,
}

impl Shell {
    async fn start() -> Self {
        let name = format!("horolog-secret-cli-{}", uuid::Uuid::new_v4());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).unwrap();
        Self {
            database: TestDatabase::empty().await,
            directory,
        }
    }

    fn file(&self, name: &str) -> String {
        self.directory.join(name).to_str().unwrap().to_owned()
    }

    /// Runs a command with a text on its standard input; exit code and output.
    fn run(&self, line: &str, input: &str) -> (i32, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_horolog"))
            .args(line.split_whitespace())
            .env("DATABASE_URL", self.database.url())
            .env("HOROLOG_SECRETS_KEY_FILE", self.file("keys"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads nothing may have ended.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        let output = child.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let code = output.status.code().unwrap();
        (code, String::from_utf8(text).unwrap())
    }

    fn done(&self, line: &str, input: &str) -> String {
        let (code, output) = self.run(line, input);
        assert_eq!(code, 0, "{line}: {output}");
        output
    }

    fn fails(&self, line: &str, input: &str, expected: i32) -> String {
        let (code, output) = self.run(line, input);
        assert_eq!(code, expected, "{line}: {output}");
        output
    }
}

#[actix::test]
async fn secrets_are_managed_from_the_command_line_with_values_from_standard_input() {
    let shell = Shell::start().await;
    shell.fails("secret list-keys", "", 2);
    let missing = shell.fails("secret set a --host a.example", "12345678", 2);
    assert!(missing.contains("cannot read"), "{missing}");
    let keys = shell.file("keys");
    shell.done(&format!("secret create-key {keys}"), "");
    shell.fails(&format!("secret create-key {keys}"), "", 2);

    let refused = shell.fails("secret set a", "12345678\n", 1);
    assert!(refused.contains("--host"), "{refused}");
    let refused = shell.fails("secret set a --host a.example", "short\n", 1);
    assert!(refused.contains("at least 8"), "{refused}");
    let line = "secret set a --host a.example,b.example:8443";
    assert!(shell.done(line, "open sesame\n").contains("version 1"));
    assert!(
        shell
            .done("secret set a", "open barley")
            .contains("version 2")
    );
    let list = shell.done("secret list", "");
    assert!(list.contains("a.example,b.example:8443"), "{list}");
    assert!(!list.contains("open"), "{list}");

    let new = shell.file("new");
    shell.done(&format!("secret create-key {new}"), "");
    let both = fs::read_to_string(&new).unwrap() + &fs::read_to_string(&keys).unwrap();
    fs::write(&keys, both).unwrap();
    assert!(shell.done("secret rotate", "").starts_with("1 secret(s)"));
    fs::copy(&new, &keys).unwrap();
    assert!(
        shell
            .done("secret set a --host c.example", "open corn")
            .contains("version 3")
    );
    shell.done("secret delete a", "");
    shell.fails("secret delete a", "", 1);
    fs::remove_dir_all(&shell.directory).unwrap();
}

#[actix::test]
async fn a_node_does_not_start_with_a_key_file_that_others_may_read() {
    let shell = Shell::start().await;
    let keys = shell.file("keys");
    shell.done(&format!("secret create-key {keys}"), "");
    fs::set_permissions(&keys, Permissions::from_mode(0o644)).unwrap();
    let variables = [
        ("DATABASE_URL", shell.database.url()),
        ("HOROLOG_SECRETS_KEY_FILE", keys.as_str()),
    ];
    let arguments = ["serve", "--listen", "127.0.0.1:0"];
    let mut node = NodeProcess::start("node-1", &arguments, &variables);
    assert_eq!(node.ended().await.code(), Some(2));
    let output = node.output();
    assert!(output.contains("chmod 0600"), "{output}");
    fs::remove_dir_all(&shell.directory).unwrap();
}
