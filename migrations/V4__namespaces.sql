-- Namespaces: what belongs together, with callers of its own. An older program can work here: what it creates belongs
-- to `default`. It refuses a user or a token without a role in the whole cluster.

create table namespace (
    name        text primary key check (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    description text check (char_length(description) <= 2000),
    max_jobs    integer check (max_jobs >= 0),
    created_at  timestamptz not null,
    created_by  text not null,
    deleted_at  timestamptz
);
comment on table namespace is 'Namespaces: each job belongs to one, for good.';
comment on column namespace.name is 'Lower case letters, digits and hyphens; never changes.';
comment on column namespace.description is 'Display only.';
comment on column namespace.max_jobs is 'Largest number of jobs that are not deleted. Null: no limit.';
comment on column namespace.created_at is 'Instant of the creation.';
comment on column namespace.created_by is 'The caller that created the namespace. Display only.';
comment on column namespace.deleted_at is
    'Instant of the deletion. The row stays while the log has jobs of the namespace, so that no other one gets the name.';
insert into namespace (name, description, created_at, created_by)
values ('default', 'What belongs to no other namespace.', clock_timestamp(), 'horolog');

alter table job_definition add column namespace text not null default 'default';
comment on column job_definition.namespace is
    'Namespace of the job; never changes. Without a foreign key, whose check would cost each new job: the command locks the namespace.';
create index job_definition_by_namespace on job_definition (namespace) where status <> 'DELETED';

-- A role in the whole cluster is optional now.
alter table user_account alter column role drop not null;
alter table api_token alter column role drop not null;
comment on column user_account.role is
    'Role in the whole cluster. Each role has the rights of those before it: MONITOR, VIEWER, OPERATOR, EDITOR, ADMIN. Null: none.';
comment on column api_token.role is
    'Role in the whole cluster. Each role has the rights of those before it: MONITOR, VIEWER, OPERATOR, EDITOR, ADMIN. Null: none.';

create table role_binding (
    namespace text not null references namespace (name) on delete cascade,
    user_id   uuid references user_account (id) on delete cascade,
    token_id  uuid references api_token (id) on delete cascade,
    role      text not null check (role in ('VIEWER', 'OPERATOR', 'EDITOR', 'ADMIN')),
    constraint role_binding_principal_check check (num_nonnulls(user_id, token_id) = 1)
);
comment on table role_binding is 'Roles of users and API tokens in namespaces.';
comment on column role_binding.namespace is 'The namespace.';
comment on column role_binding.user_id is 'The user; null for an API token.';
comment on column role_binding.token_id is 'The API token; null for a user.';
comment on column role_binding.role is 'Each role has the rights of those before it: VIEWER, OPERATOR, EDITOR, ADMIN.';
create unique index role_binding_of_user on role_binding (user_id, namespace) where user_id is not null;
create unique index role_binding_of_token on role_binding (token_id, namespace) where token_id is not null;
create index role_binding_in_namespace on role_binding (namespace);
