//! The link of the set-up: it makes the first admin, once.

use super::Accounts;
use crate::support::eventually;
use horolog::access::{Credential, SetUpError};
use horolog::model::access::Role;
use std::time::Duration;

const PASSWORD: &str = "correct horse battery";

#[actix::test]
async fn a_link_makes_one_admin_who_is_signed_in() {
    let accounts = Accounts::start().await;
    let node = accounts.node();
    let link = node.new_set_up_link().await.unwrap().unwrap();
    let second = accounts.node().new_set_up_link().await.unwrap().unwrap();
    let set_up = async |link: &str, name: &str, password: &str| {
        node.set_up(link, name, password.to_owned(), None).await
    };
    for wrong in ["", "x", &"x".repeat(43)] {
        let refused = set_up(wrong, "ada", PASSWORD).await;
        assert!(matches!(refused, Err(SetUpError::Wrong)), "{wrong}");
    }
    for (name, password) in [("ada", "short"), ("a b", PASSWORD), ("", PASSWORD)] {
        let refused = set_up(link.expose(), name, password).await;
        assert!(
            matches!(refused, Err(SetUpError::Invalid(_))),
            "{name} {password}"
        );
    }

    let session = set_up(link.expose(), "ada", PASSWORD).await.unwrap();
    let id = session.id.expose().to_owned();
    let caller = accounts
        .asked(Credential::Session(id))
        .await
        .unwrap()
        .caller;
    assert_eq!(
        (caller.name.as_str(), caller.role),
        ("ada", Some(Role::Admin))
    );
    assert!(
        !node.is_open().await.unwrap(),
        "closed on this node at once"
    );

    for used in [&link, &second] {
        let refused = set_up(used.expose(), "bob", PASSWORD).await;
        assert!(matches!(refused, Err(SetUpError::Wrong)));
    }
    assert!(node.new_set_up_link().await.unwrap().is_none());
    assert_eq!(accounts.store.users().await.unwrap().len(), 1);
}

#[actix::test]
async fn a_link_counts_for_a_day() {
    let accounts = Accounts::start().await;
    let node = accounts.node();
    let link = node.new_set_up_link().await.unwrap().unwrap();
    accounts.clock.advance(Duration::from_hours(24));
    let refused = node
        .set_up(link.expose(), "ada", PASSWORD.to_owned(), None)
        .await;
    assert!(matches!(refused, Err(SetUpError::Wrong)));
}

#[actix::test]
async fn a_user_who_is_created_at_the_same_time_makes_the_link_invalid() {
    let accounts = Accounts::start().await;
    let node = accounts.node();
    let link = node.new_set_up_link().await.unwrap().unwrap();
    let mut other = accounts.database.client().await;
    let creation = other.transaction().await.unwrap();
    let create = "insert into user_account (id, name, role, created_at, created_by)
        values (gen_random_uuid(), 'bob', 'ADMIN', now(), 'test')";
    creation.execute(create, &[]).await.unwrap();
    let set_up = actix::spawn(async move {
        node.set_up(link.expose(), "ada", PASSWORD.to_owned(), None)
            .await
            .is_ok()
    });
    eventually("it waits, or does not", async || {
        let waits = "select from pg_stat_activity
            where wait_event_type = 'Lock' and datname = current_database()";
        let is_waiting = accounts.sql.query_opt(waits, &[]).await.unwrap().is_some();
        (is_waiting || set_up.is_finished()).then_some(())
    })
    .await;
    creation.commit().await.unwrap();
    assert!(!set_up.await.unwrap());
    assert_eq!(accounts.store.users().await.unwrap().len(), 1);
}

#[actix::test]
async fn two_links_at_once_make_one_admin() {
    let accounts = Accounts::start().await;
    let (one, other) = (accounts.node(), accounts.node());
    let first = one.new_set_up_link().await.unwrap().unwrap();
    let second = other.new_set_up_link().await.unwrap().unwrap();
    let (ada, bob) = futures_util::join!(
        one.set_up(first.expose(), "ada", PASSWORD.to_owned(), None),
        other.set_up(second.expose(), "bob", PASSWORD.to_owned(), None),
    );
    assert_eq!(
        [ada.is_ok(), bob.is_ok()]
            .into_iter()
            .filter(|done| *done)
            .count(),
        1
    );
    assert_eq!(accounts.store.users().await.unwrap().len(), 1);
}
