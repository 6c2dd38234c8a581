//! Refused credentials in the audit log.

use super::{Accounts, HERE, THERE, token};
use horolog::access::token::NewToken;
use horolog::access::{Credential, Password};
use horolog::actors::job_manager::Command;
use horolog::actors::job_manager::accounts::RevokeApiToken;
use horolog::model::access::Role;
use uuid::Uuid;

/// The refusals so far: the action, the address and the reason.
async fn refusals(accounts: &Accounts) -> Vec<String> {
    let query = "select action || ' ' || coalesce(address, '') || ' ' || (details->>'reason')
        from audit_log where outcome = 'REFUSED' order by seq";
    let rows = accounts.sql.query(query, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[actix::test]
async fn a_refused_token_is_in_the_audit_log_once_from_each_address() {
    let accounts = Accounts::start().await;
    let (revoked, expired) = (
        accounts.token(Role::Viewer, 1).await,
        accounts.token(Role::Viewer, 1).await,
    );
    RevokeApiToken(revoked.token.id)
        .carry_out(&accounts.store)
        .await
        .unwrap();
    accounts.advance(24 * 60 + 1);
    let unknown = NewToken::generate(Uuid::nil());
    let node = accounts.node();
    for address in [HERE, HERE, THERE] {
        for text in [
            revoked.secret.expose(),
            expired.secret.expose(),
            unknown.text.expose(),
            "eyJhbGciOi",
        ] {
            let refused = node.authenticate(token(text), address).await;
            assert!(refused.is_err(), "{text}");
        }
    }
    let of_proxy = Credential::ProxyUser("eve".to_owned());
    assert!(node.authenticate(of_proxy, HERE).await.is_err());

    let seen = refusals(&accounts).await;
    let from = |address: &str| {
        [
            format!("authenticate {address} API token ci, revoked at 2026-11-30T08:00:00.000Z"),
            format!("authenticate {address} API token ci, expired or with a wrong secret"),
            format!("authenticate {address} unknown API token"),
            format!("authenticate {address} the credential is no API token"),
        ]
    };
    let proxy = "authenticate 192.0.2.1 the user of the proxy is unknown or disabled";
    let mut expected = from("192.0.2.1").to_vec();
    expected.extend(from("192.0.2.2"));
    expected.push(proxy.to_owned());
    assert_eq!(seen, expected);
}

#[actix::test]
async fn the_end_of_a_session_is_no_refusal_and_a_wrong_password_is_one() {
    let accounts = Accounts::start().await;
    accounts.user("ada", Role::Viewer).await;
    let session = accounts.session("ada").await;
    accounts.advance(61);
    let ended = accounts.asked(Credential::Session(session)).await;
    assert!(ended.is_err());
    assert!(refusals(&accounts).await.is_empty());
    let wrong = Password::given("wrong".to_owned());
    assert!(accounts.node().sign_in("ada", wrong, HERE).await.is_err());
    let expected = ["signIn 192.0.2.1 the name or the password is wrong"];
    assert_eq!(refusals(&accounts).await, expected);
}
