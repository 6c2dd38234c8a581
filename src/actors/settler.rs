//! Writes what ended, in batches, and frees the slots of what is written.

use super::slots::{Slot, Slots};
use crate::model::execution::Settlement;
use crate::store::protocol::complete::{LeaseUpdates, Settled};
use crate::store::{Store, StoreError};
use actix::prelude::*;
use futures_util::FutureExt;
use std::time::Instant;
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
    /// Since when the database does not take them.
    failing_since: Option<Instant>,
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
        Self {
            store,
            slots,
            results,
            unsettled: Vec::new(),
            failing_since: None,
        }
    }

    pub(super) async fn settle(&mut self) -> SettleReport {
        self.receive();
        let mut report = SettleReport::default();
        let mut batches = vec![std::mem::take(&mut self.unsettled)];
        while let Some(mut batch) = batches.pop() {
            let refused = match self.write(&batch).await {
                Ok(settled) => {
                    self.free(batch, &settled.fenced, &mut report);
                    continue;
                }
                // A row is the reason: each half by itself, down to that row.
                Err(error) if error.is_of_a_row() && batch.len() > 1 => {
                    let second = batch.split_off(batch.len() / 2);
                    batches.extend([second, batch]);
                    continue;
                }
                Err(error) if error.is_of_a_row() => {
                    self.settle_odd(batch, error, &mut report).await
                }
                Err(error) => Err((batch, error)),
            };
            // The outcome is unknown: all that is left is sent again, as one batch.
            if let Err((batch, error)) = refused {
                self.unsettled = batch;
                self.unsettled.extend(batches.into_iter().flatten());
                report.unsettled = self.unsettled.len();
                self.note_trouble(&error);
                break;
            }
        }
        metrics::counter!("horolog_fenced_total").increment(report.fenced as u64);
        report
    }

    async fn write(&mut self, batch: &[Ended]) -> Result<Settled, StoreError> {
        let settlements: Vec<Settlement> =
            batch.iter().map(|ended| ended.settlement.clone()).collect();
        let settled = self
            .store
            .settle(&settlements, &self.lease_updates(batch))
            .await?;
        if let Some(since) = self.failing_since.take_if(|_| !batch.is_empty()) {
            tracing::warn!(after = ?since.elapsed(), "settlements go through again");
        }
        Ok(settled)
    }

    fn lease_updates(&self, batch: &[Ended]) -> LeaseUpdates {
        self.slots.lease_updates(
            batch
                .iter()
                .map(|Ended { settlement: s, .. }| (s.lease_id, s.execution_id)),
        )
    }

    /// The end of one attempt that the database does not take. It is settled as a failure that says
    /// why; else without what follows from it; else not at all, so that its slot is free and an
    /// audit or a take-over finds it.
    async fn settle_odd(
        &mut self,
        mut batch: Vec<Ended>,
        error: StoreError,
        report: &mut SettleReport,
    ) -> Result<(), (Vec<Ended>, StoreError)> {
        let Some(ended) = batch.first_mut() else {
            return Ok(());
        };
        let failed = ended.settlement.not_storable(&error.in_words());
        let updates = self.lease_updates(&batch);
        let mut written = self
            .store
            .settle(std::slice::from_ref(&failed), &updates)
            .await;
        if written.as_ref().is_err_and(StoreError::is_of_a_row) {
            written = self.store.settle_alone(&failed, &updates).await;
        }
        let execution_id = failed.execution_id;
        match written {
            Ok(settled) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(execution.id = %execution_id, error, "a result cannot be stored: settled as a failure");
                metrics::counter!("horolog_results_not_stored_total").increment(1);
                for ended in &mut batch {
                    ended.settlement = failed.clone();
                }
                self.free(batch, &settled.fenced, report);
                Ok(())
            }
            Err(error) if error.is_of_a_row() => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(execution.id = %execution_id, error, "a settlement is given up: the execution stays RUNNING until an audit or a take-over finds it");
                metrics::counter!("horolog_settlements_given_up_total").increment(1);
                for Ended { settlement, slot } in batch {
                    self.slots.lose(
                        (settlement.execution_id, settlement.attempt),
                        settlement.lease_id,
                        slot,
                    );
                }
                Ok(())
            }
            Err(error) => Err((batch, error)),
        }
    }

    /// Said once, however often it is tried.
    fn note_trouble(&mut self, error: &StoreError) {
        let (error, unsettled) = (error as &dyn std::error::Error, self.unsettled.len());
        if self.failing_since.is_none() {
            tracing::warn!(
                error,
                unsettled,
                "settlements fail: trying again until they go through"
            );
        } else {
            tracing::debug!(error, unsettled, "settlements still fail");
        }
        self.failing_since.get_or_insert_with(Instant::now);
    }

    /// What has ended by now, and while it is received, up to a batch; however much this task has
    /// done since it last yielded. Polled: `try_recv` may swallow a wake-up of this thread's
    /// runtime (clippy.toml).
    fn receive(&mut self) {
        while let room @ 1.. = SETTLE_BATCH_MAX.saturating_sub(self.unsettled.len())
            && let Some(1..) =
                unconstrained(self.results.recv_many(&mut self.unsettled, room)).now_or_never()
        {
        }
    }

    fn free(&self, batch: Vec<Ended>, fenced: &[Uuid], report: &mut SettleReport) {
        for Ended { settlement, slot } in batch {
            if fenced.contains(&settlement.execution_id) {
                tracing::warn!(execution.id = %settlement.execution_id, "settlement refused: another attempt is current (FENCED)");
                report.fenced += 1;
            } else {
                metrics::counter!("horolog_executions_total", "status" => settlement.status().as_str()).increment(1);
                report.settled += 1;
            }
            if settlement.is_serialized || settlement.retry_in.is_some() {
                self.slots.wake(); // something may be due sooner than the next poll
            }
            self.slots.free(
                (settlement.execution_id, settlement.attempt),
                settlement.lease_id,
                slot,
            );
        }
    }
}
