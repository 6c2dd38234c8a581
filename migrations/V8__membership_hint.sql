-- A hint for whoever follows the membership, such as a load balancer's configuration: nodes that come, drain or go.

-- A heartbeat sets no state, so it does not come here.
create function cluster_node_hint() returns trigger language plpgsql as $$
begin
    perform pg_notify('horolog_membership', '');
    return null;
end $$;
comment on function cluster_node_hint is 'Says on the channel horolog_membership that a node has come, drains or has gone. Carries no data; losing it costs half a second.';
create trigger cluster_node_hint after insert or update of state on cluster_node
    for each statement execute function cluster_node_hint();
