//! Safeguards that a drill can disable, one at a time.
//!
//! A drill without a safeguard must fail: a safeguard without such a drill is not tested. Only a
//! build with the feature `fault-injection` can disable one, and no release has the feature. In
//! every other build [`is_off`] is a constant, and the compiler removes the branch.

use std::borrow::Cow;

/// A mechanism that protects a guarantee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safeguard {
    /// A settlement is refused unless attempt and node match and the execution is RUNNING.
    SettlementFence,
    /// A lease locks the node's row against a takeover.
    NodeRowLock,
    /// A node stops trusting itself before another node may declare it dead.
    SelfFencing,
    /// The id of an execution is a function of job and fire time.
    DeterministicId,
    /// A heartbeat is written only while all critical actors make progress.
    ProgressAttestation,
}

/// Variable with the name of the safeguard to disable.
#[cfg(feature = "fault-injection")]
pub const VARIABLE: &str = "HOROLOG_DISABLED_SAFEGUARD";

#[cfg(feature = "fault-injection")]
const NAMES: [(&str, Safeguard); 5] = [
    ("settlement-fence", Safeguard::SettlementFence),
    ("node-row-lock", Safeguard::NodeRowLock),
    ("self-fencing", Safeguard::SelfFencing),
    ("deterministic-id", Safeguard::DeterministicId),
    ("progress-attestation", Safeguard::ProgressAttestation),
];

/// Whether the safeguard is disabled.
#[cfg(feature = "fault-injection")]
pub fn is_off(safeguard: Safeguard) -> bool {
    static OFF: std::sync::OnceLock<Option<Safeguard>> = std::sync::OnceLock::new();
    // Read once: a drill cannot change the safeguard of a running node.
    *OFF.get_or_init(|| named(&std::env::var(VARIABLE).ok()?)) == Some(safeguard)
}

/// Whether the safeguard is switched off: never, in the build.
#[cfg(not(feature = "fault-injection"))]
pub const fn is_off(_: Safeguard) -> bool {
    false
}

/// The statement, without its safe part if the safeguard is disabled.
pub fn unless_off<'a>(safeguard: Safeguard, statement: &'a str, part: &str) -> Cow<'a, str> {
    if is_off(safeguard) {
        Cow::Owned(statement.replace(part, ""))
    } else {
        Cow::Borrowed(statement)
    }
}

/// Logs the disabled safeguard as an error. Refuses an unknown name: a drill that disables nothing
/// proves nothing.
#[cfg(feature = "fault-injection")]
pub fn announce() -> Result<(), String> {
    let Ok(name) = std::env::var(VARIABLE) else {
        return Ok(());
    };
    match named(&name) {
        Some(safeguard) => {
            tracing::error!(
                ?safeguard,
                "a safeguard is SWITCHED OFF: this node breaks its promise, for a drill"
            );
            Ok(())
        }
        None => Err(format!("{VARIABLE}: there is no safeguard `{name}`")),
    }
}

#[cfg(feature = "fault-injection")]
fn named(name: &str) -> Option<Safeguard> {
    NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, safeguard)| *safeguard)
}
