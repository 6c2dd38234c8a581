//! Time, heartbeats, joining, and declaring others dead.

use crate::database::{Name, NodeId, TTL};
use crate::model::Protocol;
use crate::node::{Body, Lease, Process, TRUST, TakeOver};
use crate::safeguards::Safeguard;
use crate::state::{State, Violation};
use crate::steps::Step;

impl Protocol {
    /// Time passes. A node that can renew its membership does so before the trust runs out; a node
    /// that cannot, and is awake, cancels at that moment.
    pub(crate) fn tick(&self, state: &mut State) -> Option<()> {
        // A healthy node renews in time: a missed heartbeat is a fault, and faults are counted.
        if State::names().any(|name| self.is_about_to_renew(state, name)) {
            return None;
        }
        for age in state.database.tables.ages.iter_mut().flatten().flatten() {
            // Ages beyond a TTL are equal to all rules; the bound keeps the states finite.
            *age = (*age + 1).min(TTL);
        }
        for name in State::names() {
            let mut process = *state.process(name);
            let Some(id) = process.id else { continue };
            let awake = process.body != Body::Frozen;
            // A frozen process cannot notice the end of a connection.
            if awake && (process.cut_off || !state.database.session(id)) {
                process.connected = false;
            }
            process.session_age = (process.session_age + 1).min(TTL);
            process.trust = process.trust.saturating_sub(1);
            // A frozen process cancels only after it wakes (`fences`): for that reason its attempts
            // may overlap with later ones.
            if awake && process.trust == 0 && self.has(Safeguard::Deadline) {
                process.fence(&mut state.database);
            }
            *state.process_mut(name) = process;
        }
        Some(())
    }

    /// Whether a node without a fault still has to send its heartbeat of the tick. Only a fault
    /// makes a heartbeat later.
    fn is_about_to_renew(&self, state: &State, name: Name) -> bool {
        let process = state.process(name);
        let joins = process.id.is_none() && process.reaches(&state.database);
        joins
            || self.is_about_to_reclaim(state, name)
            || (process.trust == 1 || !process.connected) && self.may_renew(state, name)
    }

    /// Whether a node without a fault still has to end a lease of the former id, or to reclaim
    /// under that id. An acquirer polls many times in a tick.
    fn is_about_to_reclaim(&self, state: &State, name: Name) -> bool {
        let process = state.process(name);
        if process.former.is_none() || process.hindered || !process.reaches(&state.database) {
            return false;
        }
        let locks = state
            .database
            .tables
            .due()
            .map(|due| Step::LeaseLocks(name, due));
        let steps = [
            Step::LeaseEnds(name),
            Step::LeaseCommits(name),
            Step::LeaseAnswered(name),
            Step::ReclaimsFormer(name),
        ];
        locks
            .chain(steps)
            .any(|step| self.step(&mut state.clone(), step).is_some())
    }

    /// Whether a heartbeat would go through now.
    fn may_renew(&self, state: &State, name: Name) -> bool {
        let process = state.process(name);
        // The heartbeat has a thread of its own: without the attestation a node whose other actors
        // are stuck keeps its executions for ever.
        let sends = match process.body {
            Body::Alive => true,
            Body::Stuck => !self.has(Safeguard::Attestation),
            Body::Frozen | Body::Down => false,
        };
        // A node past the deadline gives the id up first: its attempts may run elsewhere already.
        let trusted = process.trust > 0 || !self.has(Safeguard::Deadline);
        let waits = process.id.is_none_or(|id| state.is_being_taken_over(id));
        sends && trusted && !waits && !process.cut_off && state.database.up
    }

    /// Renews the membership, over a new session when the old one is broken.
    pub(crate) fn heartbeat(&self, state: &mut State, name: Name) -> Option<()> {
        if !self.may_renew(state, name) {
            return None;
        }
        let mut process = *state.process(name);
        let id = process.id?;
        // The heartbeat updates no row: another node has declared this one dead.
        if state.database.tables.age(id).is_none() {
            process.fence(&mut state.database);
        } else {
            // A heartbeat that is older than the node's trust: the clock has jumped, and the node
            // watches only from now on.
            let jumped = state.database.tables.age(id).is_some_and(|age| age > TRUST);
            if jumped {
                process.session_age = 0;
            }
            // A node that has still to reclaim stays hindered: a takeover may come first.
            process.hindered &= process.former.is_some();
            state.database.tables.set_age(id, Some(0));
            process.trust = TRUST;
            // A new session has seen no other node for a TTL yet.
            if !process.connected || !state.database.session(id) {
                state.database.set_session(id, true);
                process.session_age = 0;
                process.connected = true;
            }
            process.broken_off = false;
        }
        *state.process_mut(name) = process;
        Some(())
    }

    /// The cancellation of a node that wakes after the trust has run out; other steps may come
    /// first.
    pub(crate) fn fences(&self, state: &mut State, name: Name) -> Option<()> {
        let mut process = *state.process(name);
        if process.trust > 0 || process.id.is_none() || !self.has(Safeguard::Deadline) {
            return None;
        }
        process.fence(&mut state.database);
        *state.process_mut(name) = process;
        Some(())
    }

    pub(crate) fn joins(&self, state: &mut State, name: Name) -> Option<()> {
        let process = state.process(name);
        if process.id.is_some() || !process.reaches(&state.database) {
            return None;
        }
        // Never an old id: leases and takeovers of the old life may still be in transit.
        let id = state.fresh_id(name);
        self.commit(state, |state| state.database.tables.set_age(id, Some(0)));
        state.database.set_session(id, true);
        if self.young_observers {
            state.database.note_who_sees(id);
        }
        let process = state.process_mut(name);
        *process = Process {
            id: Some(id),
            trust: TRUST,
            session_age: 0,
            connected: true,
            ..*process
        };
        Some(())
    }

    /// Reads which nodes look dead; the right to act is the node's own belief.
    pub(crate) fn suspects(state: &mut State, name: Name, suspect: NodeId) -> Option<()> {
        let process = state.process(name);
        // A node never takes over from itself: the query leaves the own row out.
        if !process.reaches(&state.database) || process.id == Some(suspect) {
            return None;
        }
        let by_ttl = state.database.tables.age(suspect)? >= TTL;
        state.process_mut(name).take_over = Some(TakeOver {
            suspect,
            by_ttl,
            open: false,
        });
        Some(())
    }

    /// Locks the suspect's row when no lease of the suspect is open, and checks again.
    pub(crate) fn take_over_locks(&self, state: &mut State, name: Name) -> Option<()> {
        let process = state.process(name);
        let take_over = process.take_over.filter(|take_over| !take_over.open)?;
        let suspect = take_over.suspect;
        let leases = state
            .processes
            .iter()
            .any(|process| process.leases_for(suspect));
        // An open lease holds the row shared, so the exclusive lock waits for its end.
        let waits = leases && self.has(Safeguard::LockOnNode) || state.is_being_taken_over(suspect);
        if !process.reaches(&state.database) || waits {
            return None;
        }
        let there = state.database.tables.age(suspect).is_some();
        // The suspect may have sent a heartbeat since the look, in particular while the lock
        // waited.
        let gone = there && (state.database.is_gone(suspect) || !self.has(Safeguard::StillGone));
        let attested =
            !self.has(Safeguard::AttestedObserver) || Self::has_lasted(state, name, suspect);
        let young = !self.has(Safeguard::YoungObserver) || Self::is_young(state, process);
        let opened = (gone && attested && young).then_some(TakeOver {
            open: true,
            ..take_over
        });
        state.process_mut(name).take_over = opened;
        Some(())
    }

    /// Whether the database has had a session of the node for a TTL, or since before the suspect
    /// joined.
    fn has_lasted(state: &State, name: Name, suspect: NodeId) -> bool {
        let process = state.process(name);
        let long_enough =
            process.session_age >= TTL || state.database.joined_under_eyes_of(name, suspect);
        process.id.is_some_and(|id| state.database.session(id)) && long_enough
    }

    /// Whether the observer's heartbeat is younger than half a TTL.
    fn is_young(state: &State, process: &Process) -> bool {
        process
            .id
            .and_then(|id| state.database.tables.age(id))
            .is_some_and(|age| age <= TTL / 2)
    }

    pub(crate) fn take_over_commits(&self, state: &mut State, name: Name) -> Option<()> {
        let process = state.process(name);
        let suspect = process
            .take_over
            .filter(|take_over| take_over.open)?
            .suspect;
        if !process.reaches(&state.database) {
            return None;
        }
        state.process_mut(name).take_over = None;
        let owner_lives = state
            .processes
            .iter()
            .any(|process| process.lives_as(suspect));
        // The owner would have reclaimed the attempts without counting a death against the job.
        if owner_lives
            && !state.set_back
            && state.counted_to(suspect).any(|row| !state.has_started(row))
        {
            state.violation = Some(Violation::CountedUnstarted);
        }
        self.commit(state, |state| {
            state.database.tables.take_over(suspect, self.recovery);
        });
        state.database.end(suspect);
        Some(())
    }

    /// PostgreSQL's `idle_in_transaction_session_timeout` ends the transactions of a silent client.
    pub(crate) fn idle_ends(state: &mut State, name: Name) -> Option<()> {
        let process = state.process_mut(name);
        let lease = matches!(process.lease, Lease::Open(..));
        let take_over = process.take_over.is_some_and(|take_over| take_over.open);
        if lease {
            // The rollback reaches the node as an error, like a lost answer: the node has to audit.
            (process.lease, process.unsure) = (Lease::Idle, true);
        }
        if take_over {
            process.take_over = None;
        }
        (lease || take_over).then_some(())
    }
}
