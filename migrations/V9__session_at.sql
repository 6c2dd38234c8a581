-- Who declares others dead must have been there itself: see docs/decisions/0020.

alter table cluster_node add column session_at timestamptz;
comment on column cluster_node.session_at is
    'When its membership session was opened, by the database''s clock: a node declares nobody dead before it has lasted one TTL. Null for nodes of versions that do not say.';
