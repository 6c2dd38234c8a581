//! The database's clock, as seen by each heartbeat: the offset, the jumps, and the pause of the
//! cluster.

use super::member::Member;
use crate::model::rfc3339;
use crate::store::Store;
use crate::store::maintenance::clock_jumps::ClockVerdict;
use crate::store::protocol::membership::Renewal;

impl Member {
    /// Keeps the offset of the process's clock for the next heartbeat, and publishes it.
    pub(super) fn note_offset(&mut self, renewal: &Renewal) {
        self.clock_offset = Some(renewal.clock_offset);
        let micros = renewal.clock_offset.num_microseconds();
        #[expect(clippy::cast_precision_loss, reason = "a clock offset, display only")]
        let seconds = micros.unwrap_or(i64::MAX) as f64 / 1e6;
        metrics::gauge!("horolog_clock_offset_seconds").set(seconds);
    }

    /// Logs once that a pause has started or ended.
    pub(super) fn note_pause(&mut self, paused: bool) {
        metrics::gauge!("horolog_cluster_paused").set(if paused { 1.0 } else { 0.0 });
        let was_paused = std::mem::replace(&mut self.cluster_paused, paused);
        if paused && !was_paused {
            tracing::warn!("the cluster is paused: nothing starts until it is resumed");
        } else if was_paused && !paused {
            tracing::info!("the cluster is resumed");
        }
    }

    /// Pauses and resumes the cluster by the database's clock. An error is tried again at the next
    /// heartbeat; until then every lease refuses on its own.
    pub(super) async fn watch_clock(&self, renewal: &Renewal) {
        let verdict = match self
            .config
            .store
            .watch_clock(renewal.sent, renewal.now, renewal.paused_for)
            .await
        {
            Ok(verdict) => verdict,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the database's clock cannot be watched"
                );
                return;
            }
        };
        let paused_for = match verdict {
            ClockVerdict::Jumped(jump) | ClockVerdict::Waits(jump) => {
                jump.distance().as_seconds_f64()
            }
            _ => 0.0,
        };
        metrics::gauge!("horolog_clock_jump_seconds").set(paused_for);
        match verdict {
            ClockVerdict::Good | ClockVerdict::Waits(_) => {}
            ClockVerdict::Jumped(jump) => {
                metrics::counter!("horolog_clock_jumps_total").increment(1);
                tracing::error!(from = %rfc3339(jump.from), to = %rfc3339(jump.to), "{jump}");
            }
            ClockVerdict::Returned(_) => {
                tracing::warn!("the database's clock has come back: the cluster goes on");
            }
            ClockVerdict::Accepted(_) => {
                tracing::warn!("the database's clock stays as it is: the cluster goes on");
            }
        }
        let has_ended = matches!(
            verdict,
            ClockVerdict::Returned(_) | ClockVerdict::Accepted(_)
        );
        if has_ended {
            // A separate task: the repair may take longer than a heartbeat interval.
            actix::spawn(mend_after(self.config.store.clone(), verdict));
        }
    }
}

async fn mend_after(store: Store, verdict: ClockVerdict) {
    match store.mend_after(verdict).await {
        Ok(mended) => tracing::info!(
            mended,
            "triggers that were set by the other clock are put right"
        ),
        Err(error) => tracing::error!(
            error = &error as &dyn std::error::Error,
            "triggers that were set by the other clock may rest until it comes to them"
        ),
    }
}
