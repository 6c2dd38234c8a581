//! API tokens, and the cluster without any credential.

use super::{Accounts, HERE, PASSWORD, token};
use crate::support::eventually;
use horolog::access::{AuthenticationError, Authenticator, Credential, Password, SignInError};
use horolog::actors::job_manager::Command;
use horolog::actors::job_manager::accounts::{CreatedToken, EndSessions, RevokeApiToken};
use horolog::clock::Clock;
use horolog::model::access::{Caller, CallerKind, Role};
use horolog::store::Store;
use horolog::store::db::database::Database;
use std::time::Duration;

#[actix::test]
async fn a_cluster_without_users_and_tokens_is_open_until_the_first_one() {
    let accounts = Accounts::start().await;
    let anonymous = accounts.asked(Credential::None).await.unwrap().caller;
    assert_eq!(*anonymous, Caller::anonymous(HERE));
    let wrong = accounts.asked(token("hrl_nothing")).await;
    assert!(
        matches!(wrong, Err(AuthenticationError::Wrong)),
        "never anonymous"
    );

    let token = accounts.token(Role::Monitor, 1).await.token;
    let missing = accounts.asked(Credential::None).await;
    assert!(matches!(missing, Err(AuthenticationError::Missing)));
    RevokeApiToken(token.id)
        .carry_out(&accounts.store)
        .await
        .unwrap();
    assert!(accounts.asked(Credential::None).await.is_ok());

    accounts.user("ada", Role::Viewer).await;
    let missing = accounts.asked(Credential::None).await;
    assert!(matches!(missing, Err(AuthenticationError::Missing)));
}

#[actix::test]
async fn a_database_that_does_not_answer_lets_no_request_in() {
    let nowhere = "postgresql://horolog@127.0.0.1:1/none";
    let database = Database::parse(nowhere, Duration::from_secs(5)).unwrap();
    let store = Store::new(&database, 1, Duration::from_secs(5), Clock::Database);
    let node = Authenticator::new(store);
    let secret = "x".repeat(43);
    for credential in [
        Credential::None,
        Credential::Session(secret),
        Credential::ProxyUser("ada".to_owned()),
    ] {
        let asked = node.authenticate(credential, HERE).await;
        assert!(matches!(asked, Err(AuthenticationError::Unavailable(_))));
    }
    for _ in 0..11 {
        let password = Password::given(PASSWORD.to_owned());
        let refused = node.sign_in("ada", password, HERE).await.unwrap_err();
        assert!(
            matches!(refused, SignInError::Unavailable(_)),
            "it is no failure"
        );
    }
}

#[actix::test]
async fn a_token_counts_until_it_expires() {
    let accounts = Accounts::start().await;
    let CreatedToken {
        token: record,
        secret,
    } = accounts.token(Role::Editor, 90).await;
    assert_eq!(record.created_by, "command line of tester");
    let caller = accounts.asked(token(secret.expose())).await.unwrap().caller;
    assert_eq!(
        (caller.kind, caller.id, caller.role, caller.address),
        (CallerKind::Token, Some(record.id), Some(Role::Editor), HERE)
    );
    assert_eq!(caller.label(), "token ci");

    accounts.advance(90 * 24 * 60 - 1);
    assert!(accounts.asked(token(secret.expose())).await.is_ok());
    let shown = accounts.store.token(record.id).await.unwrap().unwrap();
    assert_eq!(shown.last_used_on.as_deref(), Some("2027-02-28"));
    accounts.advance(1);
    let expired = accounts.asked(token(secret.expose())).await.unwrap_err();
    assert_eq!(
        expired.to_string(),
        "the API token expired at 2027-02-28T08:00:00.000Z"
    );
}

#[actix::test]
async fn a_token_with_another_secret_is_wrong_and_does_not_tell_that_it_expired() {
    let accounts = Accounts::start().await;
    let one = accounts.token(Role::Admin, 1).await;
    let other = accounts.token(Role::Admin, 1).await;
    accounts
        .sql
        .execute(
            "update api_token set secret_hash = sha256(secret_hash) where id = $1",
            &[&one.token.id],
        )
        .await
        .unwrap();
    for _ in 0..2 {
        let asked = accounts.asked(token(one.secret.expose())).await;
        assert!(matches!(asked, Err(AuthenticationError::Wrong)));
        accounts.advance(24 * 60);
    }
    let asked = accounts.asked(token(other.secret.expose())).await;
    assert!(matches!(asked, Err(AuthenticationError::Expired { .. })));
}

#[actix::test]
async fn a_revocation_and_an_end_on_one_node_reach_the_other() {
    let accounts = Accounts::start().await;
    let created = accounts.token(Role::Viewer, 90).await;
    let user = accounts.user("ada", Role::Viewer).await;
    let session = accounts.session("ada").await;
    let other = accounts.node();
    let ask = async |credential: Credential| other.authenticate(credential, HERE).await.is_ok();
    let text = created.secret.expose();
    assert!(ask(token(text)).await && ask(Credential::Session(session.clone())).await);

    let revoked = RevokeApiToken(created.token.id)
        .carry_out(&accounts.store)
        .await;
    let revoked_at = revoked.unwrap().revoked_at;
    EndSessions(user.id)
        .carry_out(&accounts.store)
        .await
        .unwrap();
    // The unit tests of the cache say that it takes two seconds.
    eventually("the token is refused", async || {
        (!ask(token(text)).await).then_some(())
    })
    .await;
    eventually("the session is refused", async || {
        (!ask(Credential::Session(session.clone())).await).then_some(())
    })
    .await;
    accounts.advance(1);
    let again = RevokeApiToken(created.token.id)
        .carry_out(&accounts.store)
        .await;
    assert_eq!(
        again.unwrap().revoked_at,
        revoked_at,
        "it keeps its instant"
    );
}

#[actix::test]
async fn the_database_holds_no_secret() {
    let accounts = Accounts::start().await;
    let created = accounts.token(Role::Admin, 1).await;
    accounts.user("ada", Role::Admin).await;
    let session = accounts.session("ada").await;
    let link = accounts.node().new_set_up_link().await.unwrap();
    assert!(link.is_none(), "there is a user");
    let rows = "select t::text from api_token t union all select t::text from user_account t
        union all select t::text from user_session t";
    let rows = accounts.sql.query(rows, &[]).await.unwrap();
    let text: String = rows.iter().map(|row| row.get::<_, String>(0)).collect();
    let secret = &created.secret.expose()[27..70];
    for hidden in [secret, PASSWORD, session.as_str()] {
        assert!(!text.contains(hidden));
    }
    assert!(text.contains("$argon2id$"));
    let shown = format!("{created:?}");
    assert!(!shown.contains(secret), "{shown}");
}
