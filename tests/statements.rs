//! Plans of the hot statements on tables of some size, as prepared statements
//! get them after a while: generic, made without the values.

use crate::support::TestCluster;
use horolog::store::hot_statements;

/// 20,000 jobs with triggers, a tenth of them due; 4,000 executions a day over
/// five days and 200 early ones, 100 of them in flight.
pub const FILL: &str = "
insert into job_definition
select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'job ' || n, 'FIXED_DELAY',
null, 60, 0, null,
       null, '\"log\"', 'RERUN', 3, 'ACTIVE', 0, '2026-11-23T00:00Z', '2026-11-23T00:00Z'
from generate_series(1, 20000) n;
insert into job_trigger (id, job_id, kind, fire_time, due_at)
select id, id, 'SCHEDULE', at, at from (
    select id, timestamptz '2026-11-23T06:58:00Z' + row_number() over () * interval '1 second' / 16
    as at from job_definition
) j;
insert into job_execution_log (id, job_id, kind, fire_time, due_time, status, attempt, node_id,
started_at, finished_at, created_at)
select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '8' ||
substr(md5(n::text), 1, 3)
           || '8' || substr(md5(n::text), 4, 15))::uuid,
       ('00000000-0000-4000-8000-' || lpad((n % 20000 + 1)::text, 12, '0'))::uuid, 'SCHEDULE', at,
       at,
       case when n % 200 = 0 then 'RUNNING' else 'SUCCESS' end, 1,
       '00000000-0000-4000-8000-00000000000a', at, case when n % 200 <> 0 then at end, at
from (select n, timestamptz '2026-11-22T00:00Z' - interval '1 hour' + n * interval '21 seconds' as
at
      from generate_series(1, 20200) n) e;
update job_trigger t set due_at = null, awaits = l.id from job_execution_log l
where t.id = l.job_id and l.status = 'RUNNING';
insert into job_lease (id, node_id, job_id, execution_ids)
select gen_random_uuid(), gen_random_uuid(), case when n % 2 = 0 then gen_random_uuid() end,
array[gen_random_uuid()]
from generate_series(1, 5000) n;
analyze";

/// A value of each type that a statement takes; ids are of one day's executions.
fn value(kind: &str) -> &'static str {
    match kind {
        "timestamp with time zone" => "timestamptz '2026-11-23T07:00Z'",
        "double precision" => "0.25",
        "bigint" => "500",
        "integer" => "1",
        "boolean" => "true",
        "text" => "'RETRY'",
        "uuid" => "(select id from job_execution_log where fire_time = '2026-11-23T07:00:06Z')",
        "uuid[]" => {
            "(select array_agg(id) from job_execution_log \
             where fire_time between '2026-11-23T07:00Z' and '2026-11-23T08:00Z')"
        }
        "bigint[]" => "array[1::bigint]",
        "double precision[]" => "array[0.5::float8]",
        "text[]" => "array['SUCCESS']",
        "integer[]" => "array[1]",
        "timestamp with time zone[]" => "array[timestamptz '2026-11-23T07:00Z']",
        other => panic!("a statement takes a {other}: give it a value here"),
    }
}

/// The statement's generic plan.
pub async fn plan(cluster: &TestCluster, statement: &str) -> String {
    cluster
        .sql
        .batch_execute(&format!("deallocate all; prepare hot as {statement}"))
        .await
        .unwrap();
    let types =
        "select unnest(parameter_types)::text from pg_prepared_statements where name = 'hot'";
    let mut values = Vec::new();
    for kind in cluster.texts(types, &[]).await {
        // EXECUTE takes no subquery.
        values.push(
            cluster
                .texts(
                    &format!("select quote_literal(({})::text)", value(&kind)),
                    &[],
                )
                .await
                .remove(0),
        );
    }
    cluster
        .texts(&format!("explain execute hot({})", values.join(", ")), &[])
        .await
        .join("\n")
}

#[actix::test]
async fn no_hot_statement_reads_a_whole_table() {
    let cluster = TestCluster::start().await;
    cluster.sql.batch_execute(FILL).await.unwrap();
    cluster
        .sql
        .batch_execute("set plan_cache_mode = force_generic_plan")
        .await
        .unwrap();

    let mut bad = Vec::new();
    for statement in hot_statements() {
        let plan = plan(&cluster, statement).await;
        let reads_all = |table: &str| plan.contains(&format!("Seq Scan on {table}"));
        if [
            "job_trigger",
            "job_definition",
            "job_execution_log",
            "job_lease",
        ]
        .into_iter()
        .any(reads_all)
        {
            bad.push(format!("{statement}\n\n{plan}\n"));
        }
    }

    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[actix::test]
async fn a_settlement_touches_the_partitions_and_the_rows_of_its_batch_only() {
    let cluster = TestCluster::start().await;
    cluster.sql.batch_execute(FILL).await.unwrap();
    cluster
        .sql
        .batch_execute("set plan_cache_mode = force_generic_plan")
        .await
        .unwrap();

    let names = [
        "settlements.settle",
        "settlements.already_settled",
        "settlements.rearm",
        "failing.mark",
        "leases.resume",
        "takeovers.take_over",
        "give_backs.give_back",
    ];
    for name in names {
        let statement = hot_statements()
            .into_iter()
            .find(|statement| statement.starts_with(&format!("-- {name}\n")));
        let plan = plan(&cluster, statement.expect(name)).await;
        assert!(plan.contains("Subplans Removed"), "{name}\n{plan}");
        let scanned: Vec<&str> = plan
            .lines()
            .filter(|line| line.contains("Scan") && line.contains("_log_"))
            .collect();
        assert!(
            !scanned.is_empty() && scanned.iter().all(|line| line.contains("_log_20261123")),
            "{name}\n{plan}"
        );
        // All rows between the least and the greatest id may be all of a day.
        let ranges: Vec<&str> = plan
            .lines()
            .filter(|line| line.contains("Cond: ") && line.contains(">="))
            .collect();
        let by_id = |line: &&str| line.contains("id = ANY") || line.contains("(id = ");
        assert!(
            !ranges.is_empty() && ranges.iter().all(by_id),
            "{name}\n{plan}"
        );
    }
}
