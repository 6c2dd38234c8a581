//! The users of people of a provider: who they are, and what they may do.

use super::browser::Browser;
use super::{Site, refusal};
use crate::support::access::{PASSWORD, user};
use serde_json::{Value, json};

/// Signs a person in; the browser.
async fn signed_in(site: &Site, claims: Value) -> Browser {
    site.provider.says(claims);
    let mut browser = Browser::new();
    let page = site.sign_in(&mut browser).await;
    assert_eq!(refusal(&page), "");
    browser
}

/// What the provider says of a member of `ops`.
fn person(subject: &str, name: &str) -> Value {
    json!({"sub": subject, "preferred_username": name, "groups": ["ops"]})
}

/// The users with their roles, and whether a provider knows them.
async fn users(site: &Site) -> Vec<String> {
    let client = site.node.database.client().await;
    let query = "select format('%s %s %s', u.name, u.role, o.subject) from user_account u
        left join openid_identity o on o.user_id = u.id order by u.created_at, u.name";
    let rows = client.query(query, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[actix::test]
async fn a_name_of_the_provider_takes_no_user_over() {
    let site = Site::start().await;
    user(&site.node.database.client().await, "ada", "ADMIN").await;
    let claims = json!({"sub": "1", "preferred_username": "ADA", "groups": ["staff"]});
    let browser = signed_in(&site, claims).await;
    let me = site.me(&browser).await;
    assert_eq!(
        (&me["name"], &me["role"]),
        (&json!("ADA-2"), &json!("VIEWER"))
    );
    let of_another = json!({"sub": "2", "preferred_username": "ada", "email": "ada@example.com",
        "groups": ["ops"]});
    let browser = signed_in(&site, of_another).await;
    assert_eq!(site.me(&browser).await["name"], "ada@example.com");
    let expected = ["ada ADMIN ", "ADA-2 VIEWER 1", "ada@example.com OPERATOR 2"];
    assert_eq!(users(&site).await, expected);
}

#[actix::test]
async fn a_subject_is_compared_exactly_and_a_new_name_changes_nothing() {
    let site = Site::start().await;
    signed_in(&site, person("a", "ada")).await;
    let browser = signed_in(&site, person("a", "countess")).await;
    assert_eq!(site.me(&browser).await["name"], "ada");
    signed_in(&site, person("A", "bob")).await;
    signed_in(&site, person("a ", "eve")).await;
    let expected = ["ada OPERATOR a", "bob OPERATOR A", "eve OPERATOR a "];
    assert_eq!(users(&site).await, expected);
}

#[actix::test]
async fn the_role_is_that_of_the_groups_at_each_sign_in() {
    let site = Site::start().await;
    let person = |groups: Value| json!({"sub": "1", "preferred_username": "ada", "groups": groups});
    let admin = signed_in(&site, person(json!(["staff", "root"]))).await;
    assert_eq!(site.me(&admin).await["role"], "ADMIN");
    let viewer = signed_in(&site, person(json!("staff"))).await;
    assert_eq!(site.me(&viewer).await["role"], "VIEWER");
    assert_eq!(users(&site).await, ["ada VIEWER 1"]);

    for groups in [
        json!([]),
        json!(["Root"]),
        json!(["root,staff"]),
        json!({"root": 1}),
        json!(null),
    ] {
        site.provider.says(person(groups.clone()));
        assert_eq!(site.refusal().await, "no-role", "{groups}");
    }
    let sessions = "select count(*) from user_session";
    let client = site.node.database.client().await;
    let left: i64 = client.query_one(sessions, &[]).await.unwrap().get(0);
    assert_eq!(left, 0, "without a role there is no session");
}

#[actix::test]
async fn a_person_without_a_role_gets_no_user() {
    let site = Site::start().await;
    site.provider
        .says(json!({"sub": "1", "preferred_username": "eve"}));
    assert_eq!(site.refusal().await, "no-role");
    assert_eq!(users(&site).await, [""; 0]);
}

#[actix::test]
async fn a_disabled_user_stays_out_and_a_password_is_none() {
    let site = Site::start().await;
    signed_in(
        &site,
        json!({"sub": "1", "preferred_username": "ada", "groups": ["ops"]}),
    )
    .await;
    let client = site.node.database.client().await;
    let disable = "update user_account set is_disabled = true";
    client.execute(disable, &[]).await.unwrap();
    assert_eq!(site.refusal().await, "disabled");
    client
        .execute("update user_account set is_disabled = false", &[])
        .await
        .unwrap();
    assert_eq!(site.refusal().await, "");
    for password in ["", PASSWORD] {
        let credentials = json!({"name": "ada", "password": password});
        let request = site.node.http.post(format!("{}/session", site.node.url));
        let refused = request.json(&credentials).send().await.unwrap();
        assert_eq!(refused.status(), 401);
    }
}

#[actix::test]
async fn a_proxy_does_not_mean_a_user_of_the_provider() {
    let grants = [
        "--openid-grant",
        "ops=OPERATOR",
        "--trusted-proxy",
        "127.0.0.1",
        "--proxy-user-header",
        "X-User",
    ];
    let site = Site::start_with(&grants).await;
    user(&site.node.database.client().await, "bob", "VIEWER").await;
    signed_in(
        &site,
        json!({"sub": "1", "preferred_username": "carol", "groups": ["ops"]}),
    )
    .await;
    for (name, status) in [("bob", 200), ("carol", 401)] {
        let request = site.node.http.get(format!("{}/metrics", site.node.url));
        let answer = request.header("x-user", name).send().await.unwrap();
        assert_eq!(answer.status(), status, "{name}");
    }
}

#[actix::test]
async fn a_first_sign_in_twice_at_once_makes_one_user() {
    let site = Site::start().await;
    let (mut one, mut other) = (Browser::new(), Browser::new());
    let (first, second) = futures_util::join!(site.sign_in(&mut one), site.sign_in(&mut other));
    assert_eq!(
        (refusal(&first), refusal(&second)),
        (String::new(), String::new())
    );
    assert_eq!(users(&site).await, ["ada OPERATOR 1234"]);
}

#[actix::test]
async fn a_sign_in_is_one_entry_of_the_audit_log() {
    let site = Site::start().await;
    signed_in(
        &site,
        json!({"sub": "1", "preferred_username": "ada", "groups": ["staff"]}),
    )
    .await;
    signed_in(
        &site,
        json!({"sub": "1", "preferred_username": "ada", "groups": ["ops"]}),
    )
    .await;
    let client = site.node.database.client().await;
    let query = "select caller, caller_kind, action, object_name, details from audit_log
            where action = 'signIn' order by seq";
    let rows = client.query(query, &[]).await.unwrap();
    let entries: Vec<[String; 4]> = rows
        .iter()
        .map(|row| [row.get(0), row.get(1), row.get(2), row.get(3)])
        .collect();
    let expected = ["ada", "USER", "signIn", "ada"].map(str::to_owned);
    assert_eq!(entries, [expected.clone(), expected]);
    let details: Vec<Value> = rows.iter().map(|row| row.get(4)).collect();
    assert_eq!(details[0]["after"]["role"], "VIEWER");
    assert_eq!(details[1]["before"], json!({"role": "VIEWER"}));
    assert_eq!(details[1]["after"], json!({"role": "OPERATOR"}));
    assert_eq!(details[1]["openIdIssuer"], json!(site.provider.issuer));
}
