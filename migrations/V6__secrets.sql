-- Secrets: values that jobs refer to by name, encrypted with a key that only the nodes have.
-- An older program can work here, but sends the references instead of the values: upgrade all nodes before the first secret.

create table secret (
    namespace   text not null default 'default' check (char_length(namespace) between 1 and 100),
    name        text not null check (name ~ '^[A-Za-z0-9._-]{1,100}$'),
    description text check (char_length(description) <= 2000),
    hosts       text[] not null check (cardinality(hosts) between 1 and 20),
    is_signing  boolean not null,
    version     integer not null check (version > 0),
    key_id      text not null,
    nonce       bytea not null check (octet_length(nonce) = 12),
    ciphertext  bytea not null,
    created_at  timestamptz not null,
    created_by  text not null,
    updated_at  timestamptz not null,
    updated_by  text not null,
    primary key (namespace, name)
);
comment on table secret is 'Secrets of jobs. The value is encrypted (AES-256-GCM), and bound to namespace, name, version and hosts.';
comment on column secret.namespace is 'Namespace of the secret and of the jobs that may refer to it.';
comment on column secret.name is 'The name in references: ${secret:name}.';
comment on column secret.description is 'Display only.';
comment on column secret.hosts is 'The hosts that the value is sent to: api.example.com (the port of the scheme), api.example.com:8443.';
comment on column secret.is_signing is 'True: the value (whsec_…) signs requests, and is never sent. False: it is sent in place of references.';
comment on column secret.version is 'Increased by each change of the value or the hosts; starts at 1.';
comment on column secret.key_id is 'The key of the encryption: the beginning of its SHA-256, in hexadecimal digits.';
comment on column secret.nonce is 'Random bytes of the encryption.';
comment on column secret.ciphertext is 'The encrypted value, with its authentication tag.';
comment on column secret.created_at is 'Instant of the creation.';
comment on column secret.created_by is 'The caller that created the secret. Display only.';
comment on column secret.updated_at is 'Instant of the last change.';
comment on column secret.updated_by is 'The caller that changed the secret last. Display only.';

create table job_secret (
    job_id    uuid not null,
    namespace text not null default 'default',
    name      text not null,
    primary key (job_id, namespace, name),
    -- A secret that a job refers to cannot be deleted.
    foreign key (namespace, name) references secret (namespace, name)
);
comment on table job_secret is 'The secrets that jobs refer to. Deleted jobs have no rows.';
comment on column job_secret.job_id is 'The job.';
comment on column job_secret.namespace is 'Namespace of the secret.';
comment on column job_secret.name is 'Name of the secret.';
create index job_secret_of_secret on job_secret (namespace, name);
