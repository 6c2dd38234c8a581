//! The settler: writes the results of attempts in batches, and frees the slots.

use super::slots::{HeldAttempt, Slot, Slots};
use crate::model::execution::Settlement;
use crate::store::protocol::complete::{LeaseUpdates, Settled};
use crate::store::{Store, StoreError};
use actix::prelude::*;
use futures_util::FutureExt;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::task::unconstrained;
use uuid::Uuid;

/// Most settlements of a transaction.
const SETTLE_BATCH_MAX: usize = 500;

/// The result of a settlement pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, MessageResponse)]
pub struct SettleReport {
    /// The number of written settlements.
    pub settled: usize,
    /// Refused: the attempt is no longer current.
    pub fenced: usize,
    /// Still to be written, because the database did not answer.
    pub unsettled: usize,
}

/// Writes the results of attempts in batches.
pub(super) struct Settler {
    store: Store,
    slots: Slots,
    results: mpsc::UnboundedReceiver<Ended>,
    unsettled: Vec<Ended>,
    /// Begin of the failures.
    failing_since: Option<Instant>,
}

/// The result of an attempt, in the slot until the settlement.
pub(super) struct Ended {
    pub settlement: Settlement,
    pub slot: Slot,
}

/// Results refused by the database, and the error.
struct Refused {
    batch: Vec<Ended>,
    error: StoreError,
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
                // A row is the reason: each half separately, down to the row.
                Err(error) if error.is_of_a_row() && batch.len() > 1 => {
                    let second = batch.split_off(batch.len() / 2);
                    batches.extend([second, batch]);
                    continue;
                }
                Err(error) if error.is_of_a_row() => {
                    self.settle_unstorable(batch, error, &mut report).await
                }
                Err(error) => Err(Refused { batch, error }),
            };
            // The outcome is unknown: the rest is sent again, as a batch.
            if let Err(refused) = refused {
                self.unsettled = refused.batch;
                // The slots stay taken until the database answers, so unsettled results cannot pile
                // up.
                self.unsettled.extend(batches.into_iter().flatten());
                report.unsettled = self.unsettled.len();
                self.note_trouble(&refused.error);
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
                .map(|ended| HeldAttempt::from(&ended.settlement)),
        )
    }

    /// Settles a result refused by the database: as a failure with the reason; else without the
    /// consequences; else not at all. Then the slot is free, and an audit or a takeover finds the
    /// attempt.
    async fn settle_unstorable(
        &mut self,
        mut batch: Vec<Ended>,
        error: StoreError,
        report: &mut SettleReport,
    ) -> Result<(), Refused> {
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
            // The failure is stored, but a consequence fails: the end of the attempt counts more.
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
                    self.slots.lose(HeldAttempt::from(&settlement), slot);
                }
                Ok(())
            }
            Err(error) => Err(Refused { batch, error }),
        }
    }

    fn note_trouble(&mut self, error: &StoreError) {
        let error = error as &dyn std::error::Error;
        let unsettled = self.unsettled.len();
        // A single warning for all tries.
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

    /// Receives the available results, up to a batch. `unconstrained`: independent of the work
    /// since the last yield of the task. `now_or_never`: `try_recv` may swallow a wake-up of the
    /// thread's runtime (clippy.toml).
    fn receive(&mut self) {
        loop {
            let room = SETTLE_BATCH_MAX.saturating_sub(self.unsettled.len());
            if room == 0 {
                return;
            }
            let received =
                unconstrained(self.results.recv_many(&mut self.unsettled, room)).now_or_never();
            if !matches!(received, Some(1..)) {
                return;
            }
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
                // A buffered fire or a retry may be due before the next poll.
                self.slots.wake();
            }
            self.slots.free(HeldAttempt::from(&settlement), slot);
        }
    }
}
