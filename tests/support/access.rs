//! Users, tokens and sessions, as rows of the database: what the API is asked for is not what made
//! them.

use horolog::access::Password;
use horolog::access::token::NewToken;
use tokio_postgres::Client;
use uuid::Uuid;

/// The password of all users of the tests.
pub const PASSWORD: &str = "correct horse battery";

const INSERT_TOKEN: &str = "
insert into api_token (id, name, role, secret_hash, created_at, created_by, expires_at)
values ($1, $2, $3, $4, now(), 'test', now() + interval '1 day')";

const INSERT_USER: &str = "
insert into user_account (id, name, role, password_hash, created_at, created_by)
values ($1, $2, $3, $4, now(), 'test')";

/// Creates an API token with a role; its text.
pub async fn token(client: &Client, role: &str) -> String {
    let id = Uuid::now_v7();
    let token = NewToken::generate(id);
    let name = role.to_lowercase();
    client
        .execute(INSERT_TOKEN, &[&id, &name, &role, &token.hash.bytes()])
        .await
        .unwrap();
    token.text.expose().to_owned()
}

/// Creates an API token with roles in namespaces alone (`team=EDITOR`), and the namespaces; its
/// text.
pub async fn token_in(client: &Client, grants: &[&str]) -> String {
    let id = Uuid::now_v7();
    let token = NewToken::generate(id);
    let name = grants.join(",");
    client
        .execute(
            INSERT_TOKEN,
            &[&id, &name, &None::<&str>, &token.hash.bytes()],
        )
        .await
        .unwrap();
    for grant in grants {
        let (namespace, role) = grant.split_once('=').unwrap();
        self::namespace(client, namespace).await;
        client
            .execute(
                "insert into role_binding (namespace, token_id, role) values ($1, $2, $3)",
                &[&namespace, &id, &role],
            )
            .await
            .unwrap();
    }
    token.text.expose().to_owned()
}

/// Creates a namespace, unless it exists.
pub async fn namespace(client: &Client, name: &str) {
    client
        .execute(
            "insert into namespace (name, created_at, created_by) values ($1, now(), 'test')
             on conflict do nothing",
            &[&name],
        )
        .await
        .unwrap();
}

/// Creates a user with a role and [`PASSWORD`].
pub async fn user(client: &Client, name: &str, role: &str) {
    let hash = Password::given(PASSWORD.to_owned()).hash().await;
    client
        .execute(
            INSERT_USER,
            &[&Uuid::now_v7(), &name, &role, &hash.expose()],
        )
        .await
        .unwrap();
}
