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
