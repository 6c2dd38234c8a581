//! Repairs of very many jobs: a slice and a batch at a time, by several nodes at once.

use crate::support::{TestCluster, at, fixed_rate};
use uuid::Uuid;

/// 125,000 jobs whose schedules are all there.
const MANY: &str = "
with many as (
    insert into job_definition
    select (jsonb_populate_record(j, jsonb_build_object('id',
    ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid))).*
    from job_definition j, generate_series(1, 125000) n where j.id = $1
    returning id
) insert into job_trigger (id, job_id, kind, fire_time, due_at) select id, id, 'SCHEDULE', $2, $2
from many";

async fn with_many() -> TestCluster {
    let cluster = TestCluster::start().await;
    let model = cluster.create(fixed_rate(60)).await;
    cluster.execute(MANY, &[&model.id, &at("07:01:00")]).await;
    cluster
}

/// The id of a number.
fn numbered(n: u32) -> Uuid {
    Uuid::parse_str(&format!("00000000-0000-4000-8000-{n:012}")).unwrap()
}

#[actix::test]
async fn repairs_go_through_all_jobs_in_slices_and_start_over() {
    let cluster = with_many().await;
    let lose = async |jobs: Vec<Uuid>| {
        cluster
            .execute("delete from job_trigger where id = any($1)", &[&jobs])
            .await
    };
    lose(vec![numbered(1), numbered(75_000)]).await;
    cluster
        .execute(
            "update job_definition set status = 'PAUSED' where id = $1",
            &[&numbered(124_999)],
        )
        .await;
    let mut after = Uuid::nil();
    let mut poll = async || {
        let repairs = cluster.store.repair(&mut after).await.unwrap();
        (repairs.scheduled, repairs.stopped, after.is_nil())
    };

    assert_eq!(
        [poll().await, poll().await, poll().await],
        [(1, 0, false), (1, 0, false), (0, 1, true)]
    );
    lose(vec![numbered(1)]).await;
    assert_eq!(poll().await, (1, 0, false));
}

/// More jobs than one repair takes, all of them in one slice; this node cannot read one of them.
#[actix::test]
async fn a_slice_with_more_to_repair_than_a_batch_is_not_left_behind() {
    let cluster = with_many().await;
    cluster
        .execute(
            "delete from job_trigger where id < '00000000-0000-4000-8000-000000001501'",
            &[],
        )
        .await;
    let newer = "update job_definition set target = '{\"teleport\": {}}' where id = $1";
    cluster.execute(newer, &[&numbered(1)]).await;
    let mut after = Uuid::nil();

    let first = cluster.store.repair(&mut after).await.unwrap();
    assert_eq!((first.scheduled, after), (999, Uuid::nil()));
    assert_eq!(
        cluster.store.repair(&mut after).await.unwrap().scheduled,
        500
    );
    assert!(!after.is_nil());
}

/// A restored backup may have lost the schedules of any number of jobs.
#[actix::test]
async fn while_something_is_repaired_no_turn_is_waited_for() {
    let cluster = with_many().await;
    let node = cluster.unhurried_node().await;
    cluster
        .execute(
            "delete from job_trigger where id < '00000000-0000-4000-8000-000000001501'",
            &[],
        )
        .await;

    let scheduled = async || {
        node.reconcile()
            .await
            .repairs
            .map(|repairs| repairs.scheduled)
    };
    let passes = [
        scheduled().await,
        scheduled().await,
        scheduled().await,
        scheduled().await,
    ];
    assert_eq!(
        passes,
        [Some(1_000), Some(500), Some(0), None],
        "the third is of the next slice"
    );
}

/// Lets the search for jobs without a trigger wait in its middle, as long as another session holds
/// the lock.
const GATE: &str = "
alter table job_trigger rename to every_trigger;
create view job_trigger as select * from every_trigger
where not starts_with(current_query(), '-- repairs.unscheduled')
or (select true from pg_advisory_xact_lock_shared(4711));
grant all on job_trigger to public";

#[actix::test]
async fn a_state_that_another_node_has_repaired_is_left_alone() {
    let cluster = TestCluster::start().await;
    cluster.create(fixed_rate(60)).await; // the poll waits at its trigger
    let job = cluster.create(fixed_rate(60)).await;
    cluster
        .execute("delete from job_trigger where id = $1", &[&job.id])
        .await;
    cluster.sql.batch_execute(GATE).await.unwrap();
    let other = cluster.database.client().await;
    other
        .batch_execute("select pg_advisory_lock(4711)")
        .await
        .unwrap();

    let store = cluster.store.clone();
    let repaired = actix::spawn(async move { store.repair(&mut Uuid::nil()).await });
    cluster.wait_for_locks(1).await;
    let repair = "insert into every_trigger (id, job_id, kind, fire_time, due_at) values ($1, $1, \
        'SCHEDULE', $2, $2)";
    other
        .execute(repair, &[&job.id, &at("07:05:00")])
        .await
        .unwrap(); // and five fire times since have run
    other
        .batch_execute("select pg_advisory_unlock(4711)")
        .await
        .unwrap();

    assert_eq!(repaired.await.unwrap().unwrap().scheduled, 0);
    assert_eq!(
        cluster.triggers(&job).await,
        ["SCHEDULE fires 07:05:00 due 07:05:00"]
    );
}

/// A failure that is of no row (those are passed over, see `poisoned`) bars the way to nothing
/// else.
#[actix::test]
async fn a_slice_that_fails_does_not_bar_the_way_to_those_behind_it() {
    let cluster = with_many().await;
    cluster
        .execute(
            "delete from job_trigger where id = any($1)",
            &[&vec![numbered(1), numbered(75_000)]],
        )
        .await;
    let cancel = "create function cancel() returns trigger language plpgsql as
$$ begin raise 'cancelled' using errcode = 'query_canceled'; end $$;
create trigger cancel before insert on job_trigger for each row
    when (new.id = '00000000-0000-4000-8000-000000000001') execute function cancel()";
    cluster.sql.batch_execute(cancel).await.unwrap();
    let mut after = Uuid::nil();

    let failed = cluster.store.repair(&mut after).await;
    assert!(failed.is_err(), "{failed:?}");
    assert_eq!(cluster.store.repair(&mut after).await.unwrap().scheduled, 1);
}
