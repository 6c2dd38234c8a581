//! Safeguards that a drill can disable, one at a time.
//!
//! A drill without a safeguard must fail: a safeguard without such a drill is not tested. Only a
//! build with the feature `drill-bugs` can disable one, and no release has this feature. In every
//! other build [`is_off`] is a constant, and the compiler removes the branch.

use std::borrow::Cow;

/// One thing that keeps the promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safeguard {
    /// A settlement wants its attempt, its node and RUNNING.
    SettlementFence,
    /// A lease holds the node's row against a take-over.
    NodeRowLock,
    /// A node stops trusting itself before anybody may declare it dead.
    SelfFencing,
    /// The execution's id is made of the job and the fire time.
    DeterministicId,
    /// The heartbeat attests that every critical actor makes progress.
    ProgressAttestation,
}

/// The variable that names the safeguard to switch off.
#[cfg(feature = "drill-bugs")]
pub const VARIABLE: &str = "HOROLOG_DRILL_BUG";

#[cfg(feature = "drill-bugs")]
const NAMES: [(&str, Safeguard); 5] = [
    ("settlement-fence", Safeguard::SettlementFence),
    ("node-row-lock", Safeguard::NodeRowLock),
    ("self-fencing", Safeguard::SelfFencing),
    ("deterministic-id", Safeguard::DeterministicId),
    ("progress-attestation", Safeguard::ProgressAttestation),
];

/// Whether this safeguard is switched off.
#[cfg(feature = "drill-bugs")]
pub fn is_off(safeguard: Safeguard) -> bool {
    static OFF: std::sync::OnceLock<Option<Safeguard>> = std::sync::OnceLock::new();
    *OFF.get_or_init(|| named(&std::env::var(VARIABLE).ok()?)) == Some(safeguard)
}

/// Whether this safeguard is switched off: never, in this build.
#[cfg(not(feature = "drill-bugs"))]
pub const fn is_off(_: Safeguard) -> bool {
    false
}

/// A statement without the part that makes it safe, if that is switched off.
pub fn unless_off<'a>(safeguard: Safeguard, statement: &'a str, part: &str) -> Cow<'a, str> {
    if is_off(safeguard) {
        Cow::Owned(statement.replace(part, ""))
    } else {
        Cow::Borrowed(statement)
    }
}

/// Says loudly what is switched off; refuses a name that no safeguard has, because a
/// drill that switches nothing off proves nothing.
#[cfg(feature = "drill-bugs")]
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

#[cfg(feature = "drill-bugs")]
fn named(name: &str) -> Option<Safeguard> {
    NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, safeguard)| *safeguard)
}
