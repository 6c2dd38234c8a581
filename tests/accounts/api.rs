//! Users and API tokens over GraphQL. The requests bring their callers: `authentication` tests the
//! way to them.

use super::Accounts;
use actix::Actor;
use async_graphql::{Request, Response, Variables};
use horolog::access::{Credential, Identity};
use horolog::actors::job_manager::JobManager;
use horolog::actors::watchdog::Watchdog;
use horolog::api::{ApiSettings, Schema, schema};
use horolog::model::access::{Caller, CallerKind, Role};
use serde_json::{Value, json};
use std::sync::Arc;

const PASSWORD: &str = "correct horse battery";
const NEW_PASSWORD: &str = "another horse battery";

pub const CREATE_USER: &str = "mutation($name: String!, $role: Role!, $password: String) {
    createUser(name: $name, role: $role, password: $password) {
        id name role isDisabled hasPassword createdAt createdBy lastSignInAt } }";
pub const CREATE_TOKEN: &str = "mutation($role: Role!, $days: Int) {
    createApiToken(name: \"ci\", role: $role, expiresInDays: $days) {
        secret apiToken { id name role createdAt createdBy expiresAt lastUsedOn revokedAt } } }";
pub const CHANGE: &str = "mutation($current: String!, $new: String!) {
    changePassword(current: $current, new: $new) }";
pub const SIGN_OUT: &str = "mutation($id: ID) { signOutEverywhere(userId: $id) }";

/// The schema of a node on the database of the test.
pub struct Api {
    pub accounts: Accounts,
    schema: Schema,
    authenticator: Arc<horolog::access::Authenticator>,
}

impl Api {
    pub async fn start() -> Self {
        let accounts = Accounts::start().await;
        let manager = JobManager::new(accounts.store.clone(), &Watchdog::default()).start();
        let schema = schema(accounts.store.clone(), manager, ApiSettings::default());
        Self {
            authenticator: Arc::new(accounts.node()),
            accounts,
            schema,
        }
    }

    async fn sent(&self, by: &Identity, query: &str, variables: Value) -> Response {
        let mut request = Request::new(query)
            .variables(Variables::from_json(variables))
            .data(self.authenticator.clone())
            .data(by.caller.clone());
        if let Some(session) = by.session {
            request = request.data(session);
        }
        let allowance = self
            .schema
            .data::<horolog::api::LargeAnswers>()
            .unwrap()
            .allowance();
        self.schema.execute(request.data(allowance)).await
    }

    /// The data of a request that must succeed.
    pub async fn data(&self, by: &Identity, query: &str, variables: Value) -> Value {
        let response = self.sent(by, query, variables).await;
        assert!(response.errors.is_empty(), "{query}: {:?}", response.errors);
        response.data.into_json().unwrap()
    }

    /// The code and the message of a request that must fail.
    pub async fn error(&self, by: &Identity, query: &str, variables: Value) -> (String, String) {
        let response = self.sent(by, query, variables).await;
        let error = response
            .errors
            .first()
            .unwrap_or_else(|| panic!("{query} was not refused"));
        let error = serde_json::to_value(error).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&error["extensions"]["code"]), text(&error["message"]))
    }

    /// A user with a session.
    pub async fn signed_in(&self, name: &str, role: Role) -> Identity {
        self.accounts.user(name, role).await;
        let id = self.accounts.session(name).await;
        self.accounts.asked(Credential::Session(id)).await.unwrap()
    }
}

pub fn admin() -> Identity {
    Identity {
        caller: Arc::new(Caller::anonymous(None)),
        session: None,
    }
}

#[actix::test]
async fn users_are_created_changed_listed_and_deleted() {
    let api = Api::start().await;
    let input = json!({"name": "ada", "role": "ADMIN", "password": PASSWORD});
    let mut user = api.data(&admin(), CREATE_USER, input.clone()).await["createUser"].take();
    let id = user["id"].take();
    assert_eq!(
        user,
        json!({"id": null, "name": "ada", "role": "ADMIN", "isDisabled": false, "hasPassword": true,
            "createdAt": "2026-11-30T08:00:00.000Z", "createdBy": "anonymous", "lastSignInAt": null})
    );
    let (code, message) = api.error(&admin(), CREATE_USER, input).await;
    assert_eq!(code, "CONFLICT", "{message}");
    for (name, password) in [("bob", "short"), ("b b", PASSWORD)] {
        let input = json!({"name": name, "role": "VIEWER", "password": password});
        let (code, message) = api.error(&admin(), CREATE_USER, input).await;
        assert_eq!(code, "BAD_USER_INPUT", "{message}");
        assert!(!message.contains(password), "{message}");
    }
    let proxied = json!({"name": "bob", "role": "OPERATOR"});
    let bob = api.data(&admin(), CREATE_USER, proxied).await["createUser"].take();
    assert_eq!(bob["hasPassword"], json!(false));

    let update = "mutation($id: ID!, $role: Role, $off: Boolean) {
        updateUser(id: $id, role: $role, isDisabled: $off) { name role isDisabled } }";
    let disabled = json!({"id": bob["id"], "role": "ADMIN", "off": true});
    assert_eq!(
        api.data(&admin(), update, disabled).await["updateUser"],
        json!({"name": "bob", "role": "ADMIN", "isDisabled": true})
    );
    let nothing = api.error(&admin(), update, json!({"id": bob["id"]})).await;
    assert_eq!(nothing.0, "BAD_USER_INPUT");
    let last = json!({"id": id, "role": "VIEWER"});
    assert_eq!(api.error(&admin(), update, last).await.0, "CONFLICT");
    let delete = "mutation($id: ID!) { deleteUser(id: $id) }";
    assert_eq!(
        api.error(&admin(), delete, json!({"id": id})).await.0,
        "CONFLICT"
    );
    api.data(&admin(), delete, json!({"id": bob["id"]})).await;
    let unknown = api.error(&admin(), delete, json!({"id": bob["id"]})).await;
    assert_eq!(unknown.0, "NOT_FOUND");
    let users = api
        .data(&admin(), "{ users { name role } }", json!({}))
        .await;
    assert_eq!(users["users"], json!([{"name": "ada", "role": "ADMIN"}]));
}

#[actix::test]
async fn the_text_of_a_token_is_shown_once() {
    let api = Api::start().await;
    let mut new = api
        .data(
            &admin(),
            CREATE_TOKEN,
            json!({"role": "EDITOR", "days": 30}),
        )
        .await["createApiToken"]
        .take();
    let secret = new["secret"].as_str().unwrap().to_owned();
    let id = new["apiToken"]["id"].take();
    let expected = json!({"id": null, "name": "ci", "role": "EDITOR",
        "createdAt": "2026-11-30T08:00:00.000Z", "createdBy": "anonymous",
        "expiresAt": "2026-12-30T08:00:00.000Z", "lastUsedOn": null, "revokedAt": null});
    assert_eq!(new["apiToken"], expected);
    let caller = api
        .accounts
        .asked(Credential::Token(secret.clone()))
        .await
        .unwrap()
        .caller;
    assert_eq!(
        (caller.kind, caller.role),
        (CallerKind::Token, Some(Role::Editor))
    );

    let revoke = "mutation($id: ID!) { revokeApiToken(id: $id) { revokedAt lastUsedOn } }";
    let revoked = api.data(&admin(), revoke, json!({"id": id})).await;
    assert_eq!(
        revoked["revokeApiToken"],
        json!({"revokedAt": "2026-11-30T08:00:00.000Z", "lastUsedOn": "2026-11-30"})
    );
    assert!(
        api.accounts
            .asked(Credential::Token(secret.clone()))
            .await
            .is_err()
    );
    let all = "{ apiTokens { id name role createdAt createdBy expiresAt lastUsedOn revokedAt } }";
    let listed = api.data(&admin(), all, json!({})).await.to_string();
    assert!(!listed.contains(&secret[27..70]), "{listed}");
    let unknown = json!({"id": uuid::Uuid::nil()});
    assert_eq!(api.error(&admin(), revoke, unknown).await.0, "NOT_FOUND");
    for days in [0, -1, 366] {
        let input = json!({"role": "VIEWER", "days": days});
        assert_eq!(
            api.error(&admin(), CREATE_TOKEN, input).await.0,
            "BAD_USER_INPUT"
        );
    }
    let default =
        "mutation { createApiToken(name: \"d\", role: MONITOR) { apiToken { expiresAt } } }";
    let default = api.data(&admin(), default, json!({})).await;
    let expires_at = &default["createApiToken"]["apiToken"]["expiresAt"];
    assert_eq!(expires_at, "2027-02-28T08:00:00.000Z", "90 days");
}

#[actix::test]
async fn a_user_changes_the_own_password_and_keeps_the_session() {
    let api = Api::start().await;
    let ada = api.signed_in("ada", Role::Viewer).await;
    let other = api.accounts.session("ada").await;
    let wrong = json!({"current": "wrong", "new": NEW_PASSWORD});
    let (code, message) = api.error(&ada, CHANGE, wrong).await;
    assert_eq!(code, "BAD_USER_INPUT");
    assert!(
        message.starts_with("current: is not the password"),
        "{message}"
    );
    let short = json!({"current": PASSWORD, "new": "short"});
    assert_eq!(api.error(&ada, CHANGE, short).await.0, "BAD_USER_INPUT");
    let right = json!({"current": PASSWORD, "new": NEW_PASSWORD});
    api.data(&ada, CHANGE, right.clone()).await;

    let session = ada.session.unwrap();
    assert!(
        api.accounts
            .store
            .session_state(session.hash)
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        api.accounts
            .asked(Credential::Session(other))
            .await
            .is_err()
    );
    for _ in 0..11 {
        api.error(&ada, CHANGE, right.clone()).await;
    }
    let throttled = api
        .error(
            &ada,
            CHANGE,
            json!({"current": NEW_PASSWORD, "new": PASSWORD}),
        )
        .await;
    assert_eq!(throttled.0, "THROTTLED");
    let (code, message) = api.error(&admin(), CHANGE, right).await;
    assert_eq!(code, "CONFLICT", "{message}");
}

#[actix::test]
async fn an_admin_sets_passwords_and_ends_sessions_of_others() {
    let api = Api::start().await;
    let ada = api.signed_in("ada", Role::Viewer).await;
    let session = async || {
        let id = api.accounts.session("ada").await;
        let state = api.accounts.asked(Credential::Session(id)).await.unwrap();
        state.session.unwrap().hash
    };
    let ended = async |hash| {
        api.accounts
            .store
            .session_state(hash)
            .await
            .unwrap()
            .is_none()
    };
    let id = json!({"id": ada.caller.id});

    let one = session().await;
    api.data(&admin(), SIGN_OUT, id.clone()).await;
    assert!(ended(one).await, "by an admin");
    let one = session().await;
    api.data(&ada, SIGN_OUT, json!({})).await;
    assert!(ended(one).await, "the own");
    let one = session().await;
    api.data(&ada, SIGN_OUT, id.clone()).await;
    assert!(ended(one).await, "the own, by the id");

    let bob = api.signed_in("bob", Role::Editor).await;
    let (code, message) = api.error(&bob, SIGN_OUT, id.clone()).await;
    assert_eq!(code, "FORBIDDEN");
    assert!(message.contains("ADMIN"), "{message}");
    assert_eq!(api.error(&admin(), SIGN_OUT, json!({})).await.0, "CONFLICT");

    let one = session().await;
    let set =
        "mutation($id: ID!, $password: String!) { setPassword(userId: $id, password: $password) }";
    let input = json!({"id": ada.caller.id, "password": NEW_PASSWORD});
    api.data(&admin(), set, input).await;
    assert!(ended(one).await, "with the password");
    let unknown = json!({"id": uuid::Uuid::nil(), "password": NEW_PASSWORD});
    assert_eq!(api.error(&admin(), set, unknown).await.0, "NOT_FOUND");
}
