//! What the audit log says of users and API tokens.

use super::api::{Api, CHANGE, CREATE_TOKEN, CREATE_USER, SIGN_OUT, admin};
use super::{Accounts, HERE, PASSWORD};
use horolog::access::Password;
use horolog::model::access::Role;
use serde_json::{Value, json};

/// The mutations that leave their entries here.
pub const MUTATIONS: [&str; 8] = [
    "changePassword",
    "createApiToken",
    "createUser",
    "deleteUser",
    "revokeApiToken",
    "setPassword",
    "signOutEverywhere",
    "updateUser",
];

const NEW_PASSWORD: &str = "another horse battery";

/// `caller, action, object, outcome: details` of each entry, oldest first.
async fn entries(accounts: &Accounts) -> Vec<String> {
    let query =
        "select concat_ws(' ', caller || ',', action || ',', object_kind, object_name || ',',
        outcome, details::text) from audit_log order by seq";
    let rows = accounts.sql.query(query, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[actix::test]
async fn each_change_leaves_one_entry_and_no_secret() {
    let api = Api::start().await;
    let ada = api.signed_in("ada", Role::Viewer).await;
    let id = json!({"id": ada.caller.id});
    let set =
        "mutation($id: ID!, $password: String!) { setPassword(userId: $id, password: $password) }";
    let update = "mutation($id: ID!) { updateUser(id: $id, role: OPERATOR) { id } }";
    let delete = "mutation($id: ID!) { deleteUser(id: $id) }";
    let revoke = "mutation($id: ID!) { revokeApiToken(id: $id) { id } }";
    let create = json!({"name": "bob", "role": "EDITOR", "password": PASSWORD});
    api.data(&admin(), CREATE_USER, create.clone()).await;
    api.error(&admin(), CREATE_USER, create).await;
    let token = json!({"role": "EDITOR", "days": 30});
    let token = api.data(&admin(), CREATE_TOKEN, token).await["createApiToken"].take();
    let change = json!({"current": PASSWORD, "new": NEW_PASSWORD});
    api.data(&ada, CHANGE, change.clone()).await;
    api.error(&ada, CHANGE, change).await;
    api.data(&admin(), update, id.clone()).await;
    api.data(&ada, SIGN_OUT, json!({})).await;
    let password = json!({"id": ada.caller.id, "password": PASSWORD});
    api.data(&admin(), set, password).await;
    api.data(&admin(), revoke, json!({"id": token["apiToken"]["id"]}))
        .await;
    api.data(&admin(), delete, id).await;

    let log = entries(&api.accounts).await;
    let expected = [
        "command line of tester, test, user ada, DONE {\"after\":{\"hasPassword\":true,\"namespaceRoles\":{},\"role\":\"VIEWER\"}}",
        "ada, signIn, user ada, DONE",
        "anonymous, createUser, user bob, DONE {\"after\":{\"hasPassword\":true,\"namespaceRoles\":{},\"role\":\"EDITOR\"}}",
        "anonymous, createApiToken, token ci, DONE {\"after\":{\"expiresInDays\":30,\"namespaceRoles\":{},\"role\":\"EDITOR\"}}",
        "ada, changePassword, user ada, DONE {\"sessionsEnded\":0}",
        "ada, changePassword, REFUSED {\"reason\":\"the name or the password is wrong\"}",
        "anonymous, updateUser, user ada, DONE {\"after\":{\"role\":\"OPERATOR\"},\"before\":{\"role\":\"VIEWER\"}}",
        "ada, signOutEverywhere, user ada, DONE {\"sessionsEnded\":1}",
        "anonymous, setPassword, user ada, DONE {\"sessionsEnded\":0}",
        "anonymous, revokeApiToken, token ci, DONE",
        "anonymous, deleteUser, user ada, DONE {\"before\":{\"isDisabled\":false,\"namespaceRoles\":{},\"role\":\"OPERATOR\"}}",
    ];
    assert_eq!(log, expected, "{log:#?}");
    let text = Value::from(log).to_string();
    let secret = &token["secret"].as_str().unwrap()[27..70];
    for hidden in [PASSWORD, NEW_PASSWORD, secret, "argon2"] {
        assert!(!text.contains(hidden), "{hidden}");
    }
}

#[actix::test]
async fn a_refused_sign_in_is_recorded_without_the_name_of_an_unknown_user() {
    let accounts = Accounts::start().await;
    accounts.user("ada", Role::Viewer).await;
    let node = accounts.node();
    // Typed into the wrong field.
    for (name, password) in [("ada", "wrong"), (PASSWORD, ""), ("correct-horse", "")] {
        let refused = node
            .sign_in(name, Password::given(password.to_owned()), HERE)
            .await;
        refused.unwrap_err();
    }
    let log = entries(&accounts).await;
    let reason = "REFUSED {\"reason\":\"the name or the password is wrong\"}";
    let refusals = ["ada", "unknown", "unknown"].map(|name| format!("{name}, signIn, {reason}"));
    assert_eq!(log[1..], refusals, "{log:#?}");
    let addresses = "select distinct address from audit_log where outcome = 'REFUSED'";
    let address: String = accounts.sql.query_one(addresses, &[]).await.unwrap().get(0);
    assert_eq!(address, "192.0.2.1");
}
