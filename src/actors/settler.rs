//! Writes what ended, in batches, and frees the slots of what is written.

use super::slots::{Slot, Slots};
use crate::model::execution::Settlement;
use crate::store::Store;
use actix::prelude::*;
use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::task::unconstrained;
use uuid::Uuid;

/// Most settlements of one transaction.
const SETTLE_BATCH_MAX: usize = 500;

/// What a settlement pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, MessageResponse)]
pub struct SettleReport {
    /// Written.
    pub settled: usize,
    /// Refused: the attempt is no longer the current one.
    pub fenced: usize,
    /// Still to be written, because the database did not answer.
    pub unsettled: usize,
}

/// Writes what ended.
pub(super) struct Settler {
    store: Store,
    slots: Slots,
    results: mpsc::UnboundedReceiver<Ended>,
    unsettled: Vec<Ended>,
}

/// An attempt that ended by itself, in its slot until it is settled.
pub(super) struct Ended {
    /// How it ended.
    pub settlement: Settlement,
    /// Its slot.
    pub slot: Slot,
}

impl Settler {
    pub(super) fn new(store: Store, slots: Slots, results: mpsc::UnboundedReceiver<Ended>) -> Self {
        Self { store, slots, results, unsettled: Vec::new() }
    }

    pub(super) async fn settle(&mut self) -> SettleReport {
        self.receive();
        let batch: Vec<Settlement> = self.unsettled.iter().map(|ended| ended.settlement.clone()).collect();
        let left = self.slots.leases_left(batch.iter().map(|s| (s.lease_id, s.execution_id)));
        match self.store.settle(&batch, &left).await {
            Ok(settled) => {
                let report =
                    SettleReport { settled: settled.settled.len(), fenced: settled.fenced.len(), unsettled: 0 };
                for fenced in &settled.fenced {
                    tracing::warn!(execution.id = %fenced, "settlement refused: another attempt is current (FENCED)");
                }
                self.free(&settled.fenced);
                metrics::counter!("horolog_fenced_total").increment(report.fenced as u64);
                report
            }
            Err(error) => {
                let unsettled = self.unsettled.len();
                tracing::warn!(error = &error as &dyn std::error::Error, unsettled, "settlement failed: trying again");
                SettleReport { unsettled, ..SettleReport::default() }
            }
        }
    }

    /// What has ended by now, and while it is received, up to a batch; however much this task has done
    /// since it last yielded. Polled: `try_recv` may swallow a wake-up of this thread's runtime (clippy.toml).
    fn receive(&mut self) {
        while let room @ 1.. = SETTLE_BATCH_MAX.saturating_sub(self.unsettled.len())
            && let Some(1..) = unconstrained(self.results.recv_many(&mut self.unsettled, room)).now_or_never()
        {}
    }

    fn free(&mut self, fenced: &[Uuid]) {
        for Ended { settlement, slot } in self.unsettled.drain(..) {
            if !fenced.contains(&settlement.execution_id) {
                metrics::counter!("horolog_executions_total", "status" => settlement.status().as_str()).increment(1);
            }
            if settlement.others_wait || settlement.retry_in.is_some() {
                self.slots.wake(); // something may be due sooner than the next look
            }
            self.slots.free((settlement.execution_id, settlement.attempt), settlement.lease_id, slot);
        }
    }
}
