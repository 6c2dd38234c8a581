//! A long history: many fire times, many faults that happened to hit nothing.

use super::model::MILLI;
use super::specs::plain;
use crate::micros::Micros;
use crate::{
    history::{
        Call, CallOutcome, Delivery, Fault, History, NodeLife, Operation, Row, Scope, Transition,
    },
    job::{JobSpec, Overlap, SECOND, Schedule},
};
use fastrand::Rng;
use uuid::Uuid;

pub(super) fn history(jobs: usize, fires: i64, faults: usize) -> History {
    let mut rng = Rng::with_seed(7);
    let end = (fires + 30) * 2 * SECOND;
    let nodes: Vec<NodeLife> = (0..3)
        .map(|number| NodeLife {
            id: Uuid::from_u128(rng.u128(..)),
            name: format!("node-{number}"),
            state: "ACTIVE".to_owned(),
            started_at: 0,
            ended_at: None,
            ended_by: None,
        })
        .collect();
    let fault = |_| {
        let from = rng.i64(0..end / SECOND) * SECOND;
        let nodes = vec![format!("node-{}", rng.u8(..3))];
        Fault {
            kind: "freeze".to_owned(),
            scope: Scope::Freezes,
            nodes,
            from,
            until: from + rng.i64(1..5) * SECOND,
        }
    };
    let mut history = History {
        ended: end,
        faults: (0..faults).map(fault).collect(),
        nodes,
        ..History::default()
    };
    for number in 0..jobs {
        job(&mut history, &mut rng, number, fires);
    }
    history.deliveries.sort_by_key(|delivery| delivery.arrived);
    history
}

fn job(history: &mut History, rng: &mut Rng, number: usize, fires: i64) {
    let job = Uuid::from_u128(rng.u128(..));
    let spec = JobSpec {
        overlap: if number.is_multiple_of(2) {
            Overlap::Allow
        } else {
            Overlap::Skip
        },
        ..plain(&format!("job {number}"), Schedule::FixedRate { seconds: 2 })
    };
    let anchor = rng.i64(1_000..3_000) * MILLI;
    let call = Call {
        job: Some(job),
        operation: Operation::Create(spec),
        invoked: anchor - 5 * MILLI,
        completed: anchor - MILLI,
        outcome: CallOutcome::Done,
        next_fire_time: Some(anchor),
        start_at: None,
        made: None,
        found: None,
    };
    let delete = Call {
        operation: Operation::Delete,
        invoked: anchor + (2 * fires - 1) * SECOND,
        next_fire_time: None,
        ..call.clone()
    };
    let completed = delete.invoked + MILLI;
    history.calls.extend([
        call,
        Call {
            completed,
            ..delete
        },
    ]);
    for fire_time in (0..fires).map(|k| anchor + k * 2 * SECOND) {
        run(history, rng, job, fire_time);
    }
}

fn run(history: &mut History, rng: &mut Rng, job: Uuid, fire_time: Micros) {
    let execution = Uuid::from_u128(rng.u128(..));
    let node = history.nodes[rng.usize(..3)].id;
    let (arrived, ended) = (fire_time + rng.i64(1..20) * MILLI, fire_time + 30 * MILLI);
    let kind = "SCHEDULE".to_owned();
    history.deliveries.push(Delivery {
        job,
        execution,
        fire_time,
        due_time: fire_time,
        attempt: 1,
        node,
        kind: kind.clone(),
        arrived,
        ended: Some(ended),
        status: Some(200),
        effect: true,
    });
    let status = "SUCCESS".to_owned();
    history.transitions.push(Transition {
        execution,
        attempt: 1,
        status: status.clone(),
        at: ended + MILLI,
    });
    history.rows.push(Row {
        execution,
        job,
        kind,
        fire_time,
        due_time: fire_time,
        status,
        reason: None,
        attempt: 1,
        recoveries: 0,
        node: Some(node),
        started_at: Some(fire_time),
        finished_at: Some(ended + MILLI),
        through_fire_time: None,
        occurrences: None,
        coalesced_into: None,
        repeats: None,
    });
}
