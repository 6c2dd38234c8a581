//! How an expression is read, apart from the text.

use crate::text_enum;
use crate::zone::Zone;
use uuid::Uuid;

text_enum! {
    /// The rules that an expression follows; the number of the fields decides.
    Dialect, "cron dialect" {
        /// Five fields, and nicknames.
        Unix = "UNIX",
        /// Six or seven fields.
        Quartz = "QUARTZ",
    }
}

text_enum! {
    /// What happens to a local time that the clock skips when it goes forward.
    #[derive(Default)]
    DstGap, "dst gap" {
        /// It fires when the clock goes forward, once for all times in the gap, if its hours are
        /// fixed. With `*`, a range or a step of hours it continues with its next time.
        #[default]
        RunAtGapEnd = "RUN_AT_GAP_END",
        /// It does not fire that day.
        Skip = "SKIP",
        /// It fires by the old offset: 02:30 at 03:30.
        ShiftByGap = "SHIFT_BY_GAP",
    }
}

text_enum! {
    /// What happens to a local time that comes twice when the clock goes back.
    #[derive(Default)]
    DstOverlap, "dst overlap" {
        /// It fires both times if `*`, a range or a step makes its time of day, else the first
        /// time.
        #[default]
        Auto = "AUTO",
        /// It fires the first time.
        First = "FIRST",
        /// It fires the second time.
        Second = "SECOND",
        /// It fires both times.
        Both = "BOTH",
    }
}

/// How an expression is read, apart from the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CronOptions {
    /// The zone of the local times. Default: UTC.
    pub zone: Zone,
    /// The rule for local times that do not exist.
    pub dst_gap: DstGap,
    /// The rule for local times that exist twice.
    pub dst_overlap: DstOverlap,
    /// The seed of `H`, in Horolog the id of the job. Default: the text of the expression.
    pub seed: Option<Uuid>,
}
