//! Jumps of the database's clock.
//!
//! The database's clock decides every due time. A clock a day ahead for a moment would fire the
//! fire times of a day, and leave every schedule at rest for a day. Each node therefore compares
//! each reading with the last reading and with the time passed on the machine in between. A lease
//! that sees a jump is rolled back before anything is decided; the next heartbeat pauses the
//! cluster and gives the reason.
//!
//! A node cannot know at once whether the clock is wrong or was corrected. The pause ends when the
//! clock comes back. A correction of at most an hour, and every correction backwards, is accepted
//! after `PATIENCE`; a jump of more than an hour ahead waits for an operator. After acceptance the
//! ordinary rules apply.
//!
//! The local time comes from a clock with the time of suspension included (`CLOCK_BOOTTIME`), so a
//! suspended machine sees no jump.

mod mends;

use crate::clock::Clock;
use crate::model::{Timestamp, rfc3339};
use crate::store::audit::entry::Entry;
use crate::store::db::listener::notify;
use crate::store::db::row::Values;
use crate::store::db::session::Transaction;
use crate::store::db::statement::Statement;
use crate::store::{During, Store, StoreError};
use chrono::TimeDelta;
use deadpool_postgres::ClientWrapper;
use parking_lot::{Mutex, MutexGuard};
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::time::Duration;

/// Smaller steps are no jump, for example of the time service after a start. The cost is at most as
/// much lateness.
const JUMP_MIN: TimeDelta = TimeDelta::seconds(10);
/// How long the pause waits for the clock to come back.
const PATIENCE: Duration = Duration::from_secs(15);
/// A longer jump ahead needs an operator's resume.
const ACCEPTED_AHEAD_MAX: TimeDelta = TimeDelta::hours(1);

/// A node just started has no earlier reading, but finds the pause of the others.
const NOW: Statement = Statement::new(
    "-- clock_jumps.now
select clock_timestamp() as now,
       exists (select from cluster_pause where jumped_to is not null) as is_paused",
);

/// An earlier pause keeps its reason.
const PAUSE: Statement = Statement::new(
    "-- clock_jumps.pause
insert into cluster_pause (paused_at, reason, jumped_from, jumped_to) values (clock_timestamp(), $1,
    $2, $3)
on conflict do nothing",
);

const RESUME: Statement = Statement::new(
    "-- clock_jumps.resume
delete from cluster_pause where jumped_to = $1",
);

/// A heartbeat in the future would keep a dead node alive, and a session in the future could not
/// declare a node dead: both get the current time.
const NO_FUTURE: Statement = Statement::new(
    "-- clock_jumps.no_future
update cluster_node set heartbeat_at = least(heartbeat_at, clock_timestamp()),
    session_at = least(session_at, clock_timestamp())
where state in ('ACTIVE', 'DRAINING') and (heartbeat_at > clock_timestamp()
    or session_at > clock_timestamp())",
);

/// Time since the start of the machine, including suspension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// The time since the start of the machine, now.
    pub fn now() -> Self {
        #[cfg(target_os = "linux")]
        let clock = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let clock = ClockId::Monotonic;
        let time = clock_gettime(clock);
        Self(Duration::new(
            time.tv_sec.unsigned_abs(),
            u32::try_from(time.tv_nsec).unwrap_or(0),
        ))
    }

    fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// A reading of the database's clock in an answer.
#[derive(Debug, Clone, Copy)]
struct Reading {
    now: Timestamp,
    /// When the reading was requested …
    sent: Moment,
    /// … and when the answer arrived: the clock was read in between.
    received: Moment,
}

/// A jump: the expected instant, and the instant of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// The instant that was expected.
    pub from: Timestamp,
    /// The instant of the clock.
    pub to: Timestamp,
}

impl Jump {
    /// Distance of the jump; negative when the clock was set back.
    pub fn distance(self) -> TimeDelta {
        self.to - self.from
    }

    /// Whether the clock has come back. A clock still wrong keeps the distance.
    fn has_returned(self, now: Timestamp) -> bool {
        if self.to > self.from {
            now < self.to
        } else {
            now >= self.from
        }
    }

    fn may_be_accepted(self) -> bool {
        self.distance() <= ACCEPTED_AHEAD_MAX
    }
}

impl std::fmt::Display for Jump {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (from, to) = (rfc3339(self.from), rfc3339(self.to));
        // The expected time is exact to some milliseconds.
        let by = (self.distance()
            + TimeDelta::milliseconds(if self.to < self.from { -500 } else { 500 }))
        .num_seconds();
        let (sign, by) = (if by < 0 { '−' } else { '+' }, by.abs());
        let (hours, minutes, seconds) = (by / 3_600, by / 60 % 60, by % 60);
        write!(
            f,
            "the database's clock jumped by {sign}{hours} h {minutes} min {seconds} s, from \
             {from} to {to}: "
        )?;
        f.write_str(if self.may_be_accepted() {
            "the cluster goes on when it has come back, or after 15 s at the new time"
        } else {
            "the cluster goes on by itself when it comes back; if it is right, `horolog resume-cluster` \
             or resumeCluster lets the cluster go on at the new time"
        })
    }
}

impl Reading {
    /// The jump between the reading and the next; none when the next reading follows.
    fn jump(&self, next: &Self) -> Option<Jump> {
        let delta = |duration| TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
        // The clock was read between `sent` and `received`, in both answers: the bounds are the
        // shortest and the longest time in between.
        let earliest = self
            .now
            .checked_add_signed(delta(next.sent.since(self.received)))?;
        let latest = self
            .now
            .checked_add_signed(delta(next.received.since(self.sent)))?;
        let expected = next.now.clamp(earliest, latest);
        let jump = Jump {
            from: expected,
            to: next.now,
        };
        (jump.distance().abs() > JUMP_MIN).then_some(jump)
    }
}

/// The task of a heartbeat about the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockVerdict {
    /// The clock did not jump.
    Good,
    /// The clock jumped: the cluster is paused.
    Jumped(Jump),
    /// Wait: the cluster is paused for the jump.
    Waits(Jump),
    /// Resume the cluster: the clock has come back.
    Returned(Jump),
    /// Resume the cluster: the clock stays at the new time.
    Accepted(Jump),
}

/// The state of the database's clock, shared by the clones of a store.
#[derive(Debug, Clone, Default)]
pub struct ClockWatch(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    known: Option<Reading>,
    /// Since when the node knows of the pause for a jump.
    paused_since: Option<Moment>,
}

impl ClockWatch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// Whether a lease may decide by the reading. The statements were sent at `sent`, and the
    /// cluster was not paused.
    pub(crate) fn admits(&self, sent: Moment, now: Timestamp) -> bool {
        let reading = Reading {
            now,
            sent,
            received: Moment::now(),
        };
        let mut state = self.state();
        // The pause seen by the node is over: the clock has come back, or the jump was accepted.
        let resumed = state.paused_since.is_some_and(|since| since < sent);
        if !resumed
            && state
                .known
                .is_some_and(|known| known.jump(&reading).is_some())
        {
            // The known reading stays: the next reading is compared with the time before the jump.
            return false;
        }
        if resumed {
            state.paused_since = None;
        }
        state.known = Some(reading);
        true
    }

    /// The task of a heartbeat sent at `sent`, with the pause found by the heartbeat.
    fn judge(&self, sent: Moment, now: Timestamp, paused_for: Option<Jump>) -> ClockVerdict {
        let reading = Reading {
            now,
            sent,
            received: Moment::now(),
        };
        let mut state = self.state();
        let Some(jump) = paused_for else {
            if state.paused_since.take().is_none()
                && let Some(jump) = state.known.and_then(|known| known.jump(&reading))
            {
                return ClockVerdict::Jumped(jump);
            }
            state.known = Some(reading);
            return ClockVerdict::Good;
        };
        let since = *state.paused_since.get_or_insert(reading.received);
        // A clock corrected by less than the jump has not come back: compared with the reading
        // before the jump the clock is still off.
        let is_off = state
            .known
            .is_some_and(|known| known.jump(&reading).is_some());
        if jump.has_returned(now) && !is_off {
            ClockVerdict::Returned(jump)
        } else if jump.may_be_accepted() && reading.received.since(since) >= PATIENCE {
            ClockVerdict::Accepted(jump)
        } else {
            ClockVerdict::Waits(jump)
        }
    }
}

impl Store {
    /// Acts on the clock after a heartbeat; the answer is the action. `paused_for` is the jump for
    /// which the heartbeat found the cluster paused. The manual clock of a test does not jump.
    pub async fn watch_clock(
        &self,
        sent: Moment,
        now: Timestamp,
        paused_for: Option<Jump>,
    ) -> Result<ClockVerdict, StoreError> {
        if !matches!(self.clock(), Clock::Database) {
            return Ok(ClockVerdict::Good);
        }
        let verdict = self.clock_watch.judge(sent, now, paused_for);
        match verdict {
            ClockVerdict::Good | ClockVerdict::Waits(_) => {}
            ClockVerdict::Jumped(jump) => {
                self.pause_for_jump(jump).await?;
                self.clock_watch.state().paused_since = Some(Moment::now());
            }
            ClockVerdict::Returned(jump) | ClockVerdict::Accepted(jump) => {
                // The node that ended the pause logs the jump and repairs the due times, so a
                // single node does both.
                if !self.end_pause_for(jump).await? {
                    return Ok(ClockVerdict::Waits(jump));
                }
            }
        }
        Ok(verdict)
    }

    /// Whether the clock is right as far as the node knows. For checks before irreversible writes.
    pub async fn is_clock_trusted(&self) -> Result<bool, StoreError> {
        if !matches!(self.clock(), Clock::Database) {
            return Ok(true);
        }
        self.bounded("clock_jumps.reading", async {
            let session = self.session().await?;
            let is_trusted = self.reads_trusted_clock(&session).await?;
            session.release();
            Ok(is_trusted)
        })
        .await
    }

    async fn reads_trusted_clock(&self, client: &ClientWrapper) -> Result<bool, StoreError> {
        let sent = Moment::now();
        let row = NOW.query_one(client, &[]).await?;
        let row = Values::of(NOW.name(), &row);
        let reading = Reading {
            now: row.get("now")?,
            sent,
            received: Moment::now(),
        };
        // The statement reads the pause as well: another node may have seen the jump first.
        let is_paused: bool = row.get("is_paused")?;
        let state = self.clock_watch.state();
        let has_jumped = state
            .known
            .is_some_and(|known| known.jump(&reading).is_some());
        Ok(!is_paused && !has_jumped && state.paused_since.is_none())
    }

    /// Commits decisions made by the clock of the database, unless the clock is not trusted.
    /// Returns whether the transaction was committed. The clock may have jumped since the
    /// transaction began.
    pub(crate) async fn commit_by_clock(
        &self,
        transaction: Transaction,
        name: &'static str,
    ) -> Result<bool, StoreError> {
        let is_trusted = !matches!(self.clock(), Clock::Database)
            || self.reads_trusted_clock(&transaction).await?;
        if is_trusted {
            transaction.commit().await.during(name)?;
        } else {
            transaction.rollback().await.during(name)?;
        }
        Ok(is_trusted)
    }

    async fn pause_for_jump(&self, jump: Jump) -> Result<(), StoreError> {
        self.bounded("clock_jumps.pause", async {
            let transaction = self.begin("clock_jumps.begin").await?;
            let (reason, Jump { from, to }) = (jump.to_string(), jump);
            let paused = PAUSE.execute(&transaction, &[&reason, &from, &to]).await?;
            if paused == 1 {
                transaction.record_decision("pauseForClockJump", entry_of(jump));
            }
            NO_FUTURE.execute(&transaction, &[]).await?;
            transaction.commit().await.during("clock_jumps.commit")
        })
        .await
    }

    /// Whether the node has ended the pause.
    async fn end_pause_for(&self, jump: Jump) -> Result<bool, StoreError> {
        self.bounded("clock_jumps.resume", async {
            let transaction = self.begin("clock_jumps.begin").await?;
            let ended = RESUME.execute(&transaction, &[&jump.to]).await?;
            if ended == 1 {
                transaction.record_decision("resumeAfterClockJump", entry_of(jump));
            }
            // A heartbeat from the time ahead would look young until the clock catches up.
            NO_FUTURE.execute(&transaction, &[]).await?;
            notify(&transaction).await?;
            transaction.commit().await.during("clock_jumps.commit")?;
            Ok(ended == 1)
        })
        .await
    }
}

fn entry_of(Jump { from, to }: Jump) -> Entry {
    Entry::about("cluster")
        .with("from", rfc3339(from))
        .with("to", rfc3339(to))
}

/// The jump for which a heartbeat found the cluster paused.
pub(crate) fn paused_for(row: Values<'_>) -> Result<Option<Jump>, StoreError> {
    let (from, to) = (
        row.get::<Option<Timestamp>>("jumped_from")?,
        row.get::<Option<Timestamp>>("jumped_to")?,
    );
    Ok(from.zip(to).map(|(from, to)| Jump { from, to }))
}

#[cfg(test)]
mod tests;
