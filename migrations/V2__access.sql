-- Access: users, API tokens, sessions, and the link of the set-up. Secrets are stored as hashes only.
-- An older program can work here: it knows none of these tables, and stays as open as it was.

create table user_account (
    id              uuid primary key,
    name            text not null check (char_length(name) between 1 and 100),
    role            text not null check (role in ('MONITOR', 'VIEWER', 'OPERATOR', 'EDITOR', 'ADMIN')),
    is_disabled     boolean not null default false,
    password_hash   text,
    created_at      timestamptz not null,
    created_by      text not null,
    last_sign_in_at timestamptz
);
comment on table user_account is 'Users: people who sign in with a password, or whom a trusted proxy names.';
comment on column user_account.id is 'The user.';
comment on column user_account.name is 'The name at the sign-in and in the header of a trusted proxy; never changes.';
comment on column user_account.role is 'Each role has the rights of those before it: MONITOR, VIEWER, OPERATOR, EDITOR, ADMIN.';
comment on column user_account.is_disabled is 'True: no sign-in, and no session counts.';
comment on column user_account.password_hash is 'PHC string of argon2id. Null: only a trusted proxy can name the user.';
comment on column user_account.created_at is 'Instant of the creation.';
comment on column user_account.created_by is 'The caller that created the user. Display only.';
comment on column user_account.last_sign_in_at is 'Instant of the last sign-in with the password.';
-- Names that differ only in the case of letters would be mistaken for each other.
create unique index user_account_by_name on user_account (lower(name));

create table api_token (
    id           uuid primary key,
    name         text not null check (char_length(name) between 1 and 100),
    role         text not null check (role in ('MONITOR', 'VIEWER', 'OPERATOR', 'EDITOR', 'ADMIN')),
    secret_hash  bytea not null check (octet_length(secret_hash) = 32),
    created_at   timestamptz not null,
    created_by   text not null,
    expires_at   timestamptz not null,
    last_used_on date,
    revoked_at   timestamptz
);
comment on table api_token is 'API tokens: the credentials of programs. Revoked and expired ones are kept for a year.';
comment on column api_token.id is 'The token; a part of its text.';
comment on column api_token.name is 'Display only; several tokens may share it.';
comment on column api_token.role is 'Each role has the rights of those before it: MONITOR, VIEWER, OPERATOR, EDITOR, ADMIN.';
comment on column api_token.secret_hash is 'SHA-256 of the secret, which is 256 random bits.';
comment on column api_token.created_at is 'Instant of the creation.';
comment on column api_token.created_by is 'The caller that created the token. Display only.';
comment on column api_token.expires_at is 'The token counts before this instant.';
comment on column api_token.last_used_on is 'Day (UTC) of the last use.';
comment on column api_token.revoked_at is 'Instant of the revocation.';

create table user_session (
    id_hash    bytea primary key check (octet_length(id_hash) = 32),
    user_id    uuid not null references user_account (id) on delete cascade,
    created_at timestamptz not null,
    used_at    timestamptz not null,
    expires_at timestamptz not null
) with (fillfactor = 70);
comment on table user_session is 'Sessions of users. Ended ones are deleted; expired ones are kept for a day, so that the answer can say so.';
comment on column user_session.id_hash is 'SHA-256 of the id in the cookie, which is 256 random bits.';
comment on column user_session.user_id is 'The user.';
comment on column user_session.created_at is 'Instant of the sign-in.';
comment on column user_session.used_at is 'Last use, to the minute. An hour later the session has expired.';
comment on column user_session.expires_at is 'The session counts before this instant, however often it is used.';
create index user_session_of_user on user_session (user_id, created_at desc);
create index user_session_by_end on user_session (expires_at);

create table set_up_link (
    token_hash bytea primary key check (octet_length(token_hash) = 32),
    created_at timestamptz not null,
    expires_at timestamptz not null
);
comment on table set_up_link is 'Links by which the first admin is created, while there is no user. The first use deletes them all.';
comment on column set_up_link.token_hash is 'SHA-256 of the token in the link, which is 256 random bits.';
comment on column set_up_link.created_at is 'Instant of the creation.';
comment on column set_up_link.expires_at is 'The link counts before this instant.';
