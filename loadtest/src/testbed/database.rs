//! The truth of the database: read at the end, audited all the time.

use super::now;
use crate::history::{NodeLife, Row, Stuck, Transition};
use crate::micros::Micros;
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use tokio_postgres::Client;
use uuid::Uuid;

/// Records every status of every execution, by a trigger of the database. Nodes have no rights on
/// the tables of the drill.
const HISTORY: &str = "
create schema drill;
create table drill.history (seq bigserial primary key, execution uuid not null,
    attempt integer not null,
    status text not null, at timestamptz not null default clock_timestamp());
create function drill.note() returns trigger language plpgsql security definer as $$
begin
    insert into drill.history (execution, attempt, status) values (new.id, new.attempt, new.status);
    return null;
end $$;
create trigger drill_note after insert or update of status, attempt on job_execution_log
    for each row execute function drill.note();";

/// States without a way out. Each query is one statement and sees one instant: no transaction of
/// the protocol ends in such a state.
const AUDITS: [(&str, &str); 8] = [
    (
        "RUNNING on a node that is gone",
        "select l.id from job_execution_log l left join cluster_node n on n.id = l.node_id
         where l.status = 'RUNNING' and coalesce(n.state, 'GONE') not in ('ACTIVE', 'DRAINING')",
    ),
    (
        "RETRYING without a trigger",
        "select l.id from job_execution_log l
         where l.status = 'RETRYING' and not exists (select from job_trigger t where t.id = l.id)",
    ),
    (
        "a unique key of no execution",
        "select k.execution_id from run_key k
         where not exists (select from job_trigger t where t.id = k.execution_id)
           and not exists (select from job_execution_log l
             where l.id = k.execution_id and l.status in ('RUNNING', 'RETRYING'))",
    ),
    (
        "a trigger long overdue",
        "select t.id from job_trigger t join job_definition j on j.id = t.job_id
         where t.due_at < clock_timestamp() - interval '20 s' and j.status = 'ACTIVE'
         and j.name <> 'backlog'",
    ),
    (
        "an ACTIVE job that will never fire",
        "select j.id from job_definition j
         where j.status = 'ACTIVE' and j.schedule_type not in ('ONCE', 'ON_DEMAND')
           and coalesce((j.policies ->> 'endAt')::timestamptz > clock_timestamp(), true)
           and not exists (
             select from job_trigger t
             where t.id = j.id and (t.due_at is not null or t.awaits is not null))",
    ),
    (
        "a fixed delay that awaits what has ended",
        "select t.id from job_trigger t join job_execution_log l on l.id = t.awaits \
         where l.finished_at is not null",
    ),
    (
        "a buffered fire time behind nothing",
        // A buffered fire waits for the end of a pause.
        "select t.id from job_trigger t join job_definition j on j.id = t.job_id
            and j.status = 'ACTIVE'
         where t.kind = 'BUFFERED' and t.due_at is null and not exists (
             select from job_execution_log l where l.job_id = t.job_id and 
               l.status in ('RUNNING', 'RETRYING'))",
    ),
    (
        "COALESCED into an execution that is not there",
        // The execution may still be buffered.
        "select l.id from job_execution_log l
         where l.coalesced_into is not null and not exists (
             select from job_execution_log i where i.id = l.coalesced_into)
           and not exists (select from job_trigger t where t.id = l.coalesced_into)",
    ),
];

/// How long a state must last to count as stuck: a repair may be about to end it, which nodes of
/// drills do every 5 s.
const STUCK_AFTER: Micros = 15 * crate::job::SECOND;

/// Lets the database record every transition of an execution.
pub async fn record_transitions(sql: &Client) -> Result<(), tokio_postgres::Error> {
    sql.batch_execute(HISTORY).await
}

/// Finds states without a way out.
#[derive(Default)]
pub struct Auditor {
    since: HashMap<(&'static str, Uuid), Micros>,
    /// States that have lasted too long.
    pub stuck: Vec<Stuck>,
}

impl Auditor {
    /// Looks once. At the `last` look everything counts, however young.
    pub async fn look(&mut self, sql: &Client, last: bool) -> Result<(), tokio_postgres::Error> {
        let mut seen = HashMap::new();
        for (rule, statement) in AUDITS {
            for row in sql.query(statement, &[]).await? {
                let id: Uuid = row.get(0);
                let at = now();
                // A state counts from the first audit that saw it without a break.
                let since = self.since.get(&(rule, id)).copied().unwrap_or(at);
                if last || at - since > STUCK_AFTER {
                    self.stuck.push(Stuck {
                        at,
                        rule: rule.to_owned(),
                        id,
                    });
                }
                seen.insert((rule, id), since);
            }
        }
        self.since = seen;
        Ok(())
    }
}

/// The rows of `job_execution_log`.
pub async fn rows(sql: &Client) -> Result<Vec<Row>, tokio_postgres::Error> {
    let statement =
        "select id, job_id, kind, fire_time, due_time, status, reason, attempt, recoveries,
            node_id, started_at, finished_at, through_fire_time, occurrences, coalesced_into,
            repeats
        from job_execution_log order by id";
    let rows = sql.query(statement, &[]).await?;
    Ok(rows.iter().map(row).collect())
}

fn row(row: &tokio_postgres::Row) -> Row {
    Row {
        execution: row.get("id"),
        job: row.get("job_id"),
        kind: row.get("kind"),
        fire_time: micros(row.get("fire_time")),
        due_time: micros(row.get("due_time")),
        status: row.get("status"),
        reason: row.get("reason"),
        attempt: row.get("attempt"),
        recoveries: row.get("recoveries"),
        node: row.get("node_id"),
        started_at: row.get::<_, Option<_>>("started_at").map(micros),
        finished_at: row.get::<_, Option<_>>("finished_at").map(micros),
        through_fire_time: row.get::<_, Option<_>>("through_fire_time").map(micros),
        occurrences: row.get("occurrences"),
        coalesced_into: row.get("coalesced_into"),
        repeats: row.get("repeats"),
    }
}

/// The transitions that [`record_transitions`] recorded.
pub async fn transitions(sql: &Client) -> Result<Vec<Transition>, tokio_postgres::Error> {
    let rows = sql
        .query(
            "select execution, attempt, status, at from drill.history order by seq",
            &[],
        )
        .await?;
    let mut transitions = Vec::with_capacity(rows.len());
    for row in &rows {
        transitions.push(Transition {
            execution: row.get(0),
            attempt: row.get(1),
            status: row.get(2),
            at: micros(row.get(3)),
        });
    }
    Ok(transitions)
}

/// All lifetimes of nodes.
pub async fn nodes(sql: &Client) -> Result<Vec<NodeLife>, tokio_postgres::Error> {
    let statement = "select id, name, state, started_at, ended_at, ended_by from cluster_node \
        order by started_at";
    let rows = sql.query(statement, &[]).await?;
    let mut nodes = Vec::with_capacity(rows.len());
    for row in &rows {
        nodes.push(NodeLife {
            id: row.get(0),
            name: row.get(1),
            state: row.get(2),
            started_at: micros(row.get(3)),
            ended_at: row.get::<_, Option<_>>(4).map(micros),
            ended_by: row.get(5),
        });
    }
    Ok(nodes)
}

fn micros(instant: DateTime<Utc>) -> Micros {
    instant.timestamp_micros()
}
