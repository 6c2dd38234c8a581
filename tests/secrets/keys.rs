//! What the keys of a node open, and what an attempt reads.

use crate::http_handler::{attempt, post};
use crate::support::TestDatabase;
use horolog::actors::job_manager::Command;
use horolog::actors::job_manager::secrets::{
    CreateSecret, RotateSecrets, SecretRequest, UpdateSecret,
};
use horolog::clock::Clock;
use horolog::model::execution::Attempt;
use horolog::model::secret::Secret;
use horolog::secrets::Keys;
use horolog::store::Store;
use horolog::store::db::database::Database;
use horolog::store::secrets::SecretReader;
use std::path::PathBuf;
use std::time::Duration;

/// An attempt that sends a secret to a host.
fn attempt_with(name: &str, host: &str) -> Attempt {
    let url = format!("https://{host}/").parse().unwrap();
    let mut target = post(url);
    let reference = format!("${{secret:{name}}}");
    target.headers.insert("X-Key".to_owned(), reference);
    attempt(target)
}

fn request(name: &str, host: &str) -> SecretRequest {
    SecretRequest {
        namespace: "default".to_owned(),
        name: name.to_owned(),
        value: Some(Secret::new(format!("value of {name}"))),
        hosts: Some(vec![host.to_owned()]),
        description: None,
    }
}

fn new_keys(name: &str) -> (PathBuf, Keys) {
    let name = format!("horolog-test-{}-{name}", std::process::id());
    let path = std::env::temp_dir().join(name);
    drop(std::fs::remove_file(&path));
    let keys = Keys::create_file(&path).unwrap();
    (path, keys)
}

#[actix::test]
async fn who_writes_to_the_database_alone_has_no_value_sent_elsewhere() {
    let database = TestDatabase::new().await;
    let (store, sql) = (database.store(Clock::Database), database.client().await);
    let (path, keys) = new_keys("tamper");
    let create = async |name: &str| {
        let create = CreateSecret(request(name, "a.example"), keys.clone());
        create.carry_out(&store).await.unwrap();
    };
    // A reader without values in memory, each time.
    let error = async |keys: &Keys, name: &str, host: &str| {
        let reader = SecretReader::new(store.clone(), keys.clone());
        let read = reader.of(&attempt_with(name, host)).await;
        read.err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    for name in ["one", "two"] {
        create(name).await;
        assert_eq!(error(&keys, name, "a.example").await, "");
    }
    let refusal = error(&keys, "one", "evil.example").await;
    assert!(
        refusal.contains("not for the host evil.example"),
        "{refusal}"
    );
    assert!(
        error(&keys, "none", "a.example")
            .await
            .contains("no secret `none`")
    );
    let refusal = error(&Keys::default(), "one", "a.example").await;
    assert!(refusal.contains("no key for secrets"), "{refusal}");
    let (other_path, other) = new_keys("other");
    let refusal = error(&other, "one", "a.example").await;
    assert!(refusal.contains("not in the key file"), "{refusal}");

    for change in [
        "update secret set hosts = '{evil.example}' where name = 'one'",
        "update secret s set nonce = o.nonce, ciphertext = o.ciphertext, hosts = '{evil.example}'
            from secret o where s.name = 'one' and o.name = 'two'",
        "update secret set version = 2 where name = 'one'",
        "update secret set name = 'three' where name = 'two'",
    ] {
        sql.execute(change, &[]).await.unwrap();
        let name = if change.contains("three") {
            "three"
        } else {
            "one"
        };
        let host = if change.contains("evil") {
            "evil.example"
        } else {
            "a.example"
        };
        let refusal = error(&keys, name, host).await;
        assert!(
            refusal.contains("was changed, or belongs"),
            "{change}: {refusal}"
        );
        sql.execute("delete from secret where name = 'one'", &[])
            .await
            .unwrap();
        create("one").await;
    }
    for path in [path, other_path] {
        std::fs::remove_file(path).unwrap();
    }
}

#[actix::test]
async fn a_rotation_encrypts_all_with_the_new_key_and_a_stranger_key_encrypts_nothing() {
    let database = TestDatabase::new().await;
    let store = database.store(Clock::Database);
    let (old_path, old) = new_keys("old");
    let (new_path, new) = new_keys("new");
    for name in ["one", "two"] {
        let create = CreateSecret(request(name, "a.example"), old.clone());
        create.carry_out(&store).await.unwrap();
    }
    for keys in [new.clone(), Keys::default()] {
        let create = CreateSecret(request("three", "a.example"), keys.clone());
        assert!(
            create.carry_out(&store).await.is_err(),
            "other nodes could not read it"
        );
        let update = UpdateSecret(request("one", "a.example"), keys.clone());
        assert!(update.carry_out(&store).await.is_err());
        assert!(RotateSecrets(keys).carry_out(&store).await.is_err());
    }
    let text = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
    std::fs::write(&new_path, text(&new_path) + &text(&old_path)).unwrap();
    let both = Keys::read(&new_path).unwrap();
    assert_eq!(
        RotateSecrets(both.clone()).carry_out(&store).await.unwrap(),
        2
    );
    assert_eq!(RotateSecrets(both).carry_out(&store).await.unwrap(), 0);
    let reader = SecretReader::new(store.clone(), new);
    let read = reader.of(&attempt_with("one", "a.example")).await.unwrap();
    assert_eq!(read.fill("${secret:one}").unwrap(), "value of one");
    let read = SecretReader::new(store, old)
        .of(&attempt_with("one", "a.example"))
        .await;
    assert!(read.is_err());
    for path in [new_path, old_path] {
        std::fs::remove_file(path).unwrap();
    }
}

#[actix::test]
async fn an_attempt_without_references_waits_for_no_database() {
    let nowhere = Database::parse("postgresql://a@127.0.0.1:1/a", Duration::from_mins(1));
    let store = Store::new(
        &nowhere.unwrap(),
        1,
        Duration::from_mins(1),
        Clock::Database,
    );
    let reader = SecretReader::new(store, Keys::default());
    let plain = attempt(post("https://a.example/".parse().unwrap()));
    let mut read = std::pin::pin!(reader.of(&plain));
    assert!(futures_util::poll!(read.as_mut()).is_ready());
}
