-- Sign-in by OpenID Connect. An older program can work here: it knows none of these tables.

create table openid_identity (
    issuer     text not null check (char_length(issuer) between 1 and 2000),
    subject    text not null check (char_length(subject) between 1 and 255),
    user_id    uuid not null references user_account (id) on delete cascade,
    created_at timestamptz not null,
    primary key (issuer, subject)
);
comment on table openid_identity is 'People of OpenID providers, with their users. A name of a provider leads to no user, only a subject does.';
comment on column openid_identity.issuer is 'The provider, as it names itself.';
comment on column openid_identity.subject is 'Id of the person at the provider; exact.';
comment on column openid_identity.user_id is 'The user, created at the first sign-in.';
comment on column openid_identity.created_at is 'Instant of the first sign-in.';
create unique index openid_identity_of_user on openid_identity (user_id);

create table openid_sign_in (
    nonce_hash bytea primary key check (octet_length(nonce_hash) = 32),
    used_at    timestamptz not null
);
comment on table openid_sign_in is 'Sign-ins by OpenID Connect of the last day, so that none counts twice.';
comment on column openid_sign_in.nonce_hash is 'SHA-256 of the nonce, which is 256 random bits.';
comment on column openid_sign_in.used_at is 'Instant of the sign-in.';
create index openid_sign_in_by_age on openid_sign_in (used_at);
