-- A cluster that is held leases nothing until a person releases it.

create table cluster_hold (
    singleton    boolean primary key default true check (singleton),
    held_at      timestamptz not null,
    reason       text not null,
    set_back_to  timestamptz,
    last_known   timestamptz
);
comment on table cluster_hold is 'At most one row: while it is there, no node leases anything. Deleting it releases the cluster.';
comment on column cluster_hold.singleton is 'Always true: there is at most one row.';
comment on column cluster_hold.held_at is 'Since when.';
comment on column cluster_hold.reason is 'Why, for people.';
comment on column cluster_hold.set_back_to is 'After a restore: the last moment that the database knows of.';
comment on column cluster_hold.last_known is 'After a restore: the last moment that a running node remembers; what fired in between fires again at the release.';
