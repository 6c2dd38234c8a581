//! Sign-ins and sessions: one answer for all failures, and the ends of a session.

use super::{Accounts, HERE, PASSWORD, THERE, update};
use horolog::access::{AuthenticationError, Credential, Password, SignInError};
use horolog::actors::job_manager::Command;
use horolog::actors::job_manager::accounts::{CreateUser, SetPassword};
use horolog::model::access::{Caller, CallerKind, NamespaceRoles, Role};
use horolog::model::secret::SecretHash;
use horolog::store::access::sessions::SignIn;
use std::net::IpAddr;
use std::time::Duration;

#[actix::test]
async fn every_failed_sign_in_has_one_answer_and_costs_one_comparison() {
    let accounts = Accounts::start().await;
    accounts.user("ada", Role::Viewer).await;
    let disabled = accounts.user("bob", Role::Viewer).await;
    update(&accounts, &disabled, true).await;
    let proxied = CreateUser {
        name: "eve".to_owned(),
        role: Some(Role::Viewer),
        namespace_roles: NamespaceRoles::default(),
        password: None,
    };
    proxied.carry_out(&accounts.store).await.unwrap();
    let node = accounts.node();
    let long = "n".repeat(5_000);
    let tries = [
        ("ada", "wrong"),
        ("unknown", PASSWORD),
        ("bob", PASSWORD),
        ("eve", ""),
        ("ADA", PASSWORD),
        ("a\0b", PASSWORD),
        (long.as_str(), PASSWORD),
    ];
    for (number, (name, password)) in tries.into_iter().enumerate() {
        let refused = node
            .sign_in(name, Password::given(password.to_owned()), HERE)
            .await;
        let refused = refused.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the name or the password is wrong",
            "{name}"
        );
        assert_eq!(node.verifications(), number as u64 + 1, "{name}");
    }
    assert!(
        node.sign_in("ada", Password::given(PASSWORD.to_owned()), HERE)
            .await
            .is_ok()
    );
}

#[actix::test]
async fn the_eleventh_try_waits_and_the_user_still_signs_in_from_another_address() {
    let accounts = Accounts::start().await;
    accounts.user("ada", Role::Viewer).await;
    let node = accounts.node();
    let sign_in = async |password: &str, address| {
        node.sign_in("ada", Password::given(password.to_owned()), address)
            .await
    };
    for _ in 0..10 {
        assert!(matches!(
            sign_in("wrong", HERE).await,
            Err(SignInError::Wrong)
        ));
    }
    let Err(SignInError::Throttled { retry_after }) = sign_in(PASSWORD, HERE).await else {
        panic!("it was not throttled");
    };
    assert!(retry_after <= Duration::from_mins(5) && !retry_after.is_zero());
    assert_eq!(
        node.verifications(),
        10,
        "a throttled try costs no comparison"
    );
    assert!(sign_in(PASSWORD, THERE).await.is_ok());
}

#[actix::test]
async fn a_flood_of_sign_ins_from_many_addresses_is_bounded() {
    let accounts = Accounts::start().await;
    let node = accounts.node();
    let tries = (0..100).map(|number| {
        let address = IpAddr::from([198, 51, 100, number]);
        node.sign_in("ada", Password::given(String::new()), Some(address))
    });
    let answers = futures_util::future::join_all(tries).await;
    let throttled = answers
        .iter()
        .filter(|answer| matches!(answer, Err(SignInError::Throttled { .. })));
    assert_eq!((throttled.count(), node.verifications()), (36, 64));
    let later = node
        .sign_in("ada", Password::given(String::new()), HERE)
        .await;
    assert!(
        matches!(later, Err(SignInError::Wrong)),
        "there is room again"
    );
}

#[actix::test]
async fn the_password_is_confirmed_within_the_same_bounds() {
    let accounts = Accounts::start().await;
    accounts.user("ada", Role::Viewer).await;
    let session = Credential::Session(accounts.session("ada").await);
    let ada = accounts.asked(session).await.unwrap().caller;
    let node = accounts.node();
    let confirm = async |caller: &Caller, password: &str| {
        node.confirm(caller, Password::given(password.to_owned()))
            .await
    };
    assert!(confirm(&ada, PASSWORD).await.is_ok());
    let token = Caller {
        kind: CallerKind::Token,
        ..(*ada).clone()
    };
    assert!(
        confirm(&token, PASSWORD).await.is_err(),
        "a token named like a user"
    );
    for _ in 0..10 {
        assert!(matches!(
            confirm(&ada, "wrong").await,
            Err(SignInError::Wrong)
        ));
    }
    let throttled = confirm(&ada, PASSWORD).await;
    assert!(matches!(throttled, Err(SignInError::Throttled { .. })));
}

#[actix::test]
async fn a_session_expires_an_hour_after_its_last_use() {
    let accounts = Accounts::start().await;
    accounts.user("ada", Role::Operator).await;
    let session = accounts.session("ada").await;
    let asked = accounts
        .asked(Credential::Session(session.clone()))
        .await
        .unwrap();
    assert_eq!(
        (asked.caller.kind, asked.caller.role),
        (CallerKind::User, Some(Role::Operator))
    );
    let expires_at = asked.session.unwrap().expires_at;
    assert_eq!(expires_at.to_rfc3339(), "2026-11-30T20:00:00+00:00");
    for _ in 0..3 {
        accounts.advance(59);
        assert_eq!(accounts.session_error(&session).await, "");
    }
    accounts.advance(60);
    let expired = "the session expired at 2026-11-30T11:57:00.000Z";
    assert_eq!(accounts.session_error(&session).await, expired);
    assert_eq!(
        accounts.session_error(&session).await,
        expired,
        "it stays so"
    );
}

#[actix::test]
async fn a_session_expires_twelve_hours_after_the_sign_in_however_often_it_is_used() {
    let accounts = Accounts::start().await;
    accounts.user("ada", Role::Operator).await;
    let session = accounts.session("ada").await;
    for _ in 0..23 {
        accounts.advance(30);
        assert_eq!(accounts.session_error(&session).await, "");
    }
    accounts.advance(30);
    let expired = "the session expired at 2026-11-30T20:00:00.000Z";
    assert_eq!(accounts.session_error(&session).await, expired);
    // A day later nothing tells that there was one.
    accounts.advance(24 * 60 + 1);
    let second = accounts.session("ada").await;
    assert_ne!(second, session);
    let asked = accounts.asked(Credential::Session(session)).await;
    assert!(matches!(asked, Err(AuthenticationError::Wrong)));
}

#[actix::test]
async fn a_sign_out_ends_one_session_on_its_node_at_once() {
    let accounts = Accounts::start().await;
    accounts.user("ada", Role::Viewer).await;
    let (one, other) = (accounts.session("ada").await, accounts.session("ada").await);
    let node = accounts.node();
    let ask = async |id: &str| {
        let credential = Credential::Session(id.to_owned());
        node.authenticate(credential, HERE).await.is_ok()
    };
    assert!(ask(&one).await && ask(&other).await);
    node.sign_out(&one).await.unwrap();
    assert!(!ask(&one).await && ask(&other).await);
    node.sign_out("no session").await.unwrap();
}

#[actix::test]
async fn a_new_password_ends_the_sessions_and_a_sign_in_that_is_on_its_way() {
    let accounts = Accounts::start().await;
    let user = accounts.user("ada", Role::Viewer).await;
    let (own, other) = (accounts.session("ada").await, accounts.session("ada").await);
    let old = accounts
        .store
        .stored_password("ada")
        .await
        .unwrap()
        .unwrap();
    let set = SetPassword {
        user_id: user.id,
        password: Password::given("another horse battery".to_owned()),
        spared: Some(SecretHash::of(&own)),
    };
    set.carry_out(&accounts.store).await.unwrap();
    assert_eq!(accounts.session_error(&own).await, "");
    assert_ne!(accounts.session_error(&other).await, "");
    let late = SignIn {
        session: SecretHash::of("late"),
        user_id: user.id,
        password_hash: &old.hash.unwrap(),
    };
    assert_eq!(accounts.store.start_session(&late).await.unwrap(), None);
    let password = Password::given(PASSWORD.to_owned());
    assert!(
        accounts
            .node()
            .sign_in("ada", password, HERE)
            .await
            .is_err()
    );
}

#[actix::test]
async fn a_user_has_at_most_a_hundred_sessions_and_the_oldest_end_first() {
    let accounts = Accounts::start().await;
    let user = accounts.user("ada", Role::Viewer).await;
    let stored = accounts
        .store
        .stored_password("ada")
        .await
        .unwrap()
        .unwrap();
    let hash = stored.hash.unwrap();
    for number in 0..103 {
        let sign_in = SignIn {
            session: SecretHash::of(&format!("{number:043}")),
            user_id: user.id,
            password_hash: &hash,
        };
        accounts
            .store
            .start_session(&sign_in)
            .await
            .unwrap()
            .unwrap();
        accounts.clock.advance(Duration::from_secs(1));
    }
    assert_ne!(accounts.session_error(&format!("{:043}", 2)).await, "");
    assert_eq!(accounts.session_error(&format!("{:043}", 3)).await, "");
}
