-- The cluster is held while the database's clock may be wrong: see docs/decisions/0035.

alter table cluster_hold add column jumped_from timestamptz, add column jumped_to timestamptz;
comment on column cluster_hold.jumped_from is 'After a jump of the database''s clock: what a node expected it to say.';
comment on column cluster_hold.jumped_to is 'After a jump of the database''s clock: what it said instead.';
