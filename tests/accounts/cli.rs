//! `horolog user` and `horolog token`, against a database.

use crate::support::TestDatabase;
use horolog::access::{Authenticator, Credential, Password};
use horolog::clock::Clock;
use horolog::model::access::Role;
use horolog::store::Store;
use std::io::Write;
use std::process::{Command, Stdio};

/// A database without the schema: the first user may come before the first node.
struct Shell {
    database: TestDatabase,
    store: Store,
}

/// What a command printed, and its exit code.
struct Printed {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Shell {
    async fn start() -> Self {
        let database = TestDatabase::empty().await;
        Self {
            store: database.store(Clock::Database),
            database,
        }
    }

    /// Runs a command, with a text on its standard input.
    fn run(&self, line: &str, input: &str) -> Printed {
        let mut child = Command::new(env!("CARGO_BIN_EXE_horolog"))
            .args(line.split_whitespace())
            .env("DATABASE_URL", self.database.url())
            .env_remove("SUDO_USER")
            .env("USER", "tester")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads nothing may have ended.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        let output = child.wait_with_output().unwrap();
        Printed {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The output of a command that must succeed.
    fn done(&self, line: &str) -> String {
        let printed = self.run(line, "");
        assert_eq!(
            printed.code, 0,
            "{line}: {}{}",
            printed.stdout, printed.stderr
        );
        printed.stdout
    }

    /// The error of a command that must fail.
    fn fails(&self, line: &str, input: &str, code: i32) -> String {
        let printed = self.run(line, input);
        assert_eq!(printed.code, code, "{line}: {}", printed.stdout);
        printed.stderr
    }

    async fn signs_in(&self, name: &str, password: &str) -> bool {
        let password = Password::given(password.to_owned());
        let node = Authenticator::new(self.store.clone());
        node.sign_in(name, password, None).await.is_ok()
    }
}

/// The password that a command printed.
fn password(printed: &str) -> &str {
    let (_, password) = printed.split_once("password, shown this once: ").unwrap();
    password.trim_end()
}

#[actix::test]
async fn the_first_admin_is_created_on_an_empty_database_and_signs_in() {
    let shell = Shell::start().await;
    let created = shell.done("user create ada --admin");
    assert!(
        created.contains("user ada with the role ADMIN is created"),
        "{created}"
    );
    assert!(shell.signs_in("ada", password(&created)).await);

    let listed = shell.done("user list");
    let row: Vec<&str> = listed.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..4], ["ada", "ADMIN", "enabled", "yes"]);
    assert!(listed.contains("command line of tester"), "{listed}");
    assert!(!listed.contains("argon2"));
}

#[actix::test]
async fn a_password_comes_from_standard_input() {
    let shell = Shell::start().await;
    let create = "user create ada --role viewer --password-stdin";
    let refused = shell.fails(create, "short\n", 1);
    assert!(refused.contains("at least 12 characters"), "{refused}");
    let created = shell.run(create, "correct horse battery\r\nnot this line");
    assert_eq!(created.code, 0, "{}", created.stderr);
    assert!(!created.stdout.contains("password"), "{}", created.stdout);
    assert!(shell.signs_in("ada", "correct horse battery").await);

    let set = shell.done("user set-password ada");
    assert!(!shell.signs_in("ada", "correct horse battery").await);
    assert!(shell.signs_in("ada", password(&set)).await);
}

#[actix::test]
async fn users_are_changed_and_deleted_and_the_last_admin_stays() {
    let shell = Shell::start().await;
    shell.done("user create ada --admin");
    shell.done("user create bob --role OPERATOR --no-password");
    for refused in [
        "user delete ada",
        "user disable ada",
        "user set-role ada --role viewer",
    ] {
        let error = shell.fails(refused, "", 1);
        assert!(error.contains("last enabled admin"), "{error}");
    }
    shell.done("user set-role bob --role admin");
    shell.done("user disable ada");
    shell.done("user enable ada");
    shell.done("user delete bob");
    let users = shell.store.users().await.unwrap();
    let users: Vec<_> = users
        .iter()
        .map(|user| (user.name.as_str(), user.role))
        .collect();
    assert_eq!(users, [("ada", Some(Role::Admin))]);

    let unknown = shell.fails("user delete bob", "", 1);
    assert!(unknown.contains("there is no user `bob`"), "{unknown}");
    let taken = shell.fails("user create ADA --admin", "", 1);
    assert!(taken.contains("there is a user `ADA` already"), "{taken}");
    for misuse in [
        "user create eve",
        "user create eve --role root",
        "user create eve --admin --role viewer",
        "user create eve --admin --no-password --password-stdin",
    ] {
        shell.fails(misuse, "", 2);
    }
}

#[actix::test]
async fn tokens_are_created_listed_and_revoked() {
    let shell = Shell::start().await;
    let created = shell.run("token create ci --role editor --days 30", "");
    let text = created.stdout.trim_end().to_owned();
    assert!(
        text.starts_with("hrl_") && text.len() == 76,
        "the text alone: {text}"
    );
    assert!(
        created.stderr.contains("shown this once"),
        "{}",
        created.stderr
    );
    let ask = async || {
        let node = Authenticator::new(shell.store.clone());
        node.authenticate(Credential::Token(text.clone()), None)
            .await
    };
    assert_eq!(ask().await.unwrap().caller.role, Some(Role::Editor));

    let listed = shell.done("token list");
    assert!(
        listed.contains(" EDITOR ") && !listed.contains(&text[27..]),
        "{listed}"
    );
    let revoked = shell.done("token revoke ci");
    assert!(revoked.contains("(ci) is revoked"), "{revoked}");
    assert!(ask().await.is_err());

    for _ in 0..2 {
        shell.done("token create twin --role monitor");
    }
    let several = shell.fails("token revoke twin", "", 1);
    assert!(several.contains("say the id of one"), "{several}");
    let id = shell.store.tokens().await.unwrap()[0].id;
    shell.done(&format!("token revoke {id}"));
    shell.done("token revoke twin");
    let unknown = shell.fails("token revoke twin", "", 1);
    assert!(unknown.contains("there is no token `twin`"), "{unknown}");
    let long = shell.fails("token create ci --role editor --days 366", "", 1);
    assert!(long.contains("must be from 1 to 365"), "{long}");
}
