//! Users: the last admin, disabled users, names, and bounds.

use super::{Accounts, update};
use crate::support::eventually;
use horolog::access::{AuthenticationError, Credential};
use horolog::actors::job_manager::accounts::{CreateApiToken, CreateUser, DeleteUser, UpdateUser};
use horolog::actors::job_manager::{Command, CommandError};
use horolog::model::access::{NamespaceRoles, Role};
use horolog::store::access::users::UserChange;

#[actix::test]
async fn a_disabled_user_has_no_caller_and_the_old_sessions_do_not_come_back() {
    let accounts = Accounts::start().await;
    let user = accounts.user("ada", Role::Viewer).await;
    let session = accounts.session("ada").await;
    let proxied = || accounts.asked(Credential::ProxyUser("ada".to_owned()));
    assert_eq!(proxied().await.unwrap().caller.label(), "ada");

    update(&accounts, &user, false).await;
    assert_eq!(
        accounts.session_error(&session).await,
        "",
        "nothing has changed"
    );
    update(&accounts, &user, true).await;
    assert_eq!(
        accounts.session_error(&session).await,
        "the user is disabled"
    );
    assert!(matches!(
        proxied().await,
        Err(AuthenticationError::Disabled)
    ));
    update(&accounts, &user, false).await;
    let asked = accounts.asked(Credential::Session(session)).await;
    assert!(matches!(asked, Err(AuthenticationError::Wrong)));
    assert!(proxied().await.is_ok());
    for name in ["Ada", "bob", "", "ada\0"] {
        let asked = accounts.asked(Credential::ProxyUser(name.to_owned())).await;
        assert!(matches!(asked, Err(AuthenticationError::Wrong)), "{name:?}");
    }
}

#[actix::test]
async fn the_last_enabled_admin_stays_one() {
    let accounts = Accounts::start().await;
    let ada = accounts.user("ada", Role::Admin).await;
    let bob = accounts.user("bob", Role::Admin).await;
    update(&accounts, &bob, true).await;
    let lower = UpdateUser {
        id: ada.id,
        change: UserChange {
            role: Some(Some(Role::Editor)),
            ..UserChange::default()
        },
    };
    let disable = UpdateUser {
        id: ada.id,
        change: UserChange {
            is_disabled: Some(true),
            ..UserChange::default()
        },
    };
    let refusals = [
        lower.carry_out(&accounts.store).await.map(drop),
        disable.carry_out(&accounts.store).await.map(drop),
        DeleteUser(ada.id).carry_out(&accounts.store).await,
    ];
    for refused in refusals {
        let error = refused.unwrap_err();
        assert!(
            matches!(&error, CommandError::Conflict(why) if why.contains("last enabled admin")),
            "{error}"
        );
    }
    DeleteUser(bob.id).carry_out(&accounts.store).await.unwrap();
    let unknown = DeleteUser(bob.id).carry_out(&accounts.store).await;
    assert!(matches!(unknown, Err(CommandError::NotFound { .. })));
}

#[actix::test]
async fn two_admins_who_delete_each_other_at_once_leave_one() {
    let accounts = Accounts::start().await;
    let ada = accounts.user("ada", Role::Admin).await;
    let bob = accounts.user("bob", Role::Admin).await;
    let mut busy = accounts.database.client().await;
    let lock = busy.transaction().await.unwrap();
    lock.batch_execute("select from user_account for update")
        .await
        .unwrap();
    let deletions = [ada, bob].map(|user| {
        let store = accounts.store.clone();
        actix::spawn(async move { DeleteUser(user.id).carry_out(&store).await.is_ok() })
    });
    eventually("both wait", async || {
        let waits = "select count(*) from pg_stat_activity
            where wait_event_type = 'Lock' and datname = current_database()";
        let waiting: i64 = accounts.sql.query_one(waits, &[]).await.unwrap().get(0);
        (waiting == 2).then_some(())
    })
    .await;
    lock.rollback().await.unwrap();
    let mut done = Vec::new();
    for deletion in deletions {
        done.push(deletion.await.unwrap());
    }
    done.sort_unstable();
    assert_eq!(done, [false, true]);
    assert_eq!(accounts.store.users().await.unwrap().len(), 1);
}

#[actix::test]
async fn names_of_users_differ_in_more_than_capital_letters() {
    let accounts = Accounts::start().await;
    accounts.user("Ada", Role::Viewer).await;
    for (name, is_conflict) in [("ada", true), ("token ci", false), ("anonymous", false)] {
        let create = CreateUser {
            name: name.to_owned(),
            role: Some(Role::Viewer),
            namespace_roles: NamespaceRoles::default(),
            password: None,
        };
        let refused = create.carry_out(&accounts.store).await.unwrap_err();
        assert_eq!(
            matches!(refused, CommandError::Conflict(_)),
            is_conflict,
            "{name}"
        );
    }
}

#[actix::test]
async fn there_are_at_most_a_thousand_users_and_a_thousand_tokens_that_count() {
    let accounts = Accounts::start().await;
    let fill = "insert into user_account (id, name, role, created_at, created_by)
        select gen_random_uuid(), 'user' || n, 'VIEWER', now(), 'test' from generate_series(1, 1000) n;
        insert into api_token (id, name, role, secret_hash, created_at, created_by, expires_at)
        select gen_random_uuid(), 'ci', 'VIEWER', sha256('x'), '2026-11-01', 'test', '2027-01-01'
        from generate_series(1, 1000) n";
    accounts.sql.batch_execute(fill).await.unwrap();
    let user = CreateUser {
        name: "ada".to_owned(),
        role: Some(Role::Viewer),
        namespace_roles: NamespaceRoles::default(),
        password: None,
    };
    let create = || CreateApiToken {
        name: "ci".to_owned(),
        role: Some(Role::Viewer),
        namespace_roles: NamespaceRoles::default(),
        expires_in_days: 1,
    };
    let refused = user.carry_out(&accounts.store).await.map(drop);
    assert!(matches!(refused, Err(CommandError::Conflict(_))));
    let refused = create().carry_out(&accounts.store).await.map(drop);
    assert!(matches!(refused, Err(CommandError::Conflict(_))));

    accounts.advance(60 * 24 * 60);
    create()
        .carry_out(&accounts.store)
        .await
        .expect("the others have expired");
    accounts.advance(400 * 24 * 60);
    create().carry_out(&accounts.store).await.unwrap();
    let left = accounts.store.tokens().await.unwrap();
    assert_eq!(left.len(), 1, "a year later they are purged");
}
