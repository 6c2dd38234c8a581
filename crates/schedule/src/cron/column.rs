//! The columns of a cron expression: bounds and names of each field.

/// The bounds and names of a field.
#[derive(Debug)]
pub(super) struct Column {
    pub name: &'static str,
    /// Unit of a step, in the plural.
    pub unit: &'static str,
    pub min: u32,
    pub max: u32,
    /// The last number of `*`. Below `max` only if `max` means `min` again: Sunday as 7.
    pub last: u32,
    /// The last number that `H` alone may be.
    pub hash_last: u32,
    /// Number of `min` in the crate `cron`.
    pub base: u32,
    /// Whether `min` follows `last`, so a range can wrap around.
    pub circular: bool,
    /// Names in upper case, from `min` on; three letters are enough.
    pub names: &'static [&'static str],
    /// Bounds and names, for errors.
    pub allowed: &'static str,
    /// Special days, for errors; empty for a column without days.
    pub specials: &'static str,
}

/// The months' names, from January.
pub(super) const MONTHS: [&str; 12] = [
    "JANUARY",
    "FEBRUARY",
    "MARCH",
    "APRIL",
    "MAY",
    "JUNE",
    "JULY",
    "AUGUST",
    "SEPTEMBER",
    "OCTOBER",
    "NOVEMBER",
    "DECEMBER",
];
/// The weekdays' names, from Sunday.
pub(super) const DAYS: [&str; 7] = [
    "SUNDAY",
    "MONDAY",
    "TUESDAY",
    "WEDNESDAY",
    "THURSDAY",
    "FRIDAY",
    "SATURDAY",
];

const WEEK_SPECIALS: &str = ", FRIL (the last Friday), FRI#3 (the third Friday)";

pub(super) static SECONDS: Column = Column::numbers("seconds", "seconds", 0, 59, "0-59");
pub(super) static MINUTES: Column = Column::numbers("minutes", "minutes", 0, 59, "0-59");
pub(super) static HOURS: Column = Column::numbers("hours", "hours", 0, 23, "0-23");
pub(super) static DAY_OF_MONTH: Column = Column {
    hash_last: 28, // so that it fires every month, as in Jenkins
    specials: ", L (the last), L-3, LW, L-3W, 15W (the weekday nearest the 15th)",
    ..Column::numbers("day of month", "days", 1, 31, "1-31")
};
pub(super) static MONTH: Column = Column {
    names: &MONTHS,
    ..Column::numbers("month", "months", 1, 12, "1-12 or JAN-DEC")
};
pub(super) static UNIX_DAY_OF_WEEK: Column = Column {
    names: &DAYS,
    specials: WEEK_SPECIALS,
    last: 6,
    hash_last: 6,
    base: 1,
    ..Column::numbers(
        "day of week",
        "days",
        0,
        7,
        "0-7 or SUN-SAT (in five fields Sunday is 0 and 7)",
    )
};
pub(super) static QUARTZ_DAY_OF_WEEK: Column = Column {
    names: &DAYS,
    specials: WEEK_SPECIALS,
    ..Column::numbers(
        "day of week",
        "days",
        1,
        7,
        "1-7 or SUN-SAT (in six or seven fields Sunday is 1)",
    )
};
/// The crate `cron` knows no year after 2100, so the column is matched without it.
pub(super) static YEAR: Column = Column {
    circular: false,
    ..Column::numbers("year", "years", 1970, 2199, "1970-2199")
};

impl Column {
    const fn numbers(
        name: &'static str,
        unit: &'static str,
        min: u32,
        max: u32,
        allowed: &'static str,
    ) -> Self {
        Self {
            name,
            unit,
            min,
            max,
            last: max,
            hash_last: max,
            base: min,
            circular: true,
            names: &[],
            allowed,
            specials: "",
        }
    }

    /// Number of different values.
    pub const fn size(&self) -> u32 {
        self.last - self.min + 1
    }

    /// Whether a step does not divide the column, so its last interval is shorter.
    pub const fn is_uneven(&self, step: u32) -> bool {
        step != 1 && self.circular && !self.size().is_multiple_of(step)
    }

    /// The number of a digit string or of a name in any case.
    pub fn lookup(&self, word: &str) -> Option<u32> {
        number(word).or_else(|| {
            let word = word.to_ascii_uppercase();
            let mut names = self.names.iter().zip(self.min..);
            // Two letters would be ambiguous: `MA` is March or May.
            let found = names.find(|(name, _)| word.len() >= 3 && name.starts_with(&word));
            found.map(|(_, number)| number)
        })
    }
}

/// A number of digits only. A number too large for the type is out of every range, too.
pub(super) fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}
