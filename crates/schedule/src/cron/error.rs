//! Why an expression was refused: values for programs, and one sentence for authors.

use std::fmt;

/// Why an expression was refused. `Display` says what is allowed, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CronError {
    /// There is no text.
    #[error("must not be empty")]
    Empty,
    /// The text is too long to be read.
    #[error("must be at most {chars_max} characters long")]
    TooLong {
        /// Most characters of an expression.
        chars_max: usize,
    },
    /// The text begins with `@` and is no nickname.
    #[error("`{}` is not a known nickname, allowed are {}", typed.escape_debug(), known.join(", "))]
    UnknownNickname {
        /// Text that was typed.
        typed: String,
        /// All nicknames that are known.
        known: Vec<&'static str>,
    },
    /// The number of fields belongs to no dialect.
    #[error(
        "must have 5 fields (minute hour day-of-month month day-of-week), 6 (second first) or 7 \
         (year last), \
         has {found}"
    )]
    FieldCount {
        /// The number of fields.
        found: usize,
    },
    /// A part of a field is wrong.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// Each field is valid, but no date matches all of them.
    #[error(
        "never fires: no day of the years {first_year}-{last_year} matches its day, month and year together"
    )]
    NeverFires {
        /// First year of the search.
        first_year: i32,
        /// Last year of the search.
        last_year: i32,
    },
    /// The crate that reads the plain fields refused what this crate accepted: a bug of this crate.
    #[error("cannot be matched as `{fields}`: {refusal}")]
    Unmatchable {
        /// The fields as that crate got them.
        fields: String,
        /// The refusal of that crate.
        refusal: String,
    },
    /// The notation of another scheduler, or of another type of schedule.
    #[error("{explanation}")]
    Foreign {
        /// What does not belong to an expression, and what to write.
        explanation: String,
        /// What means the same here, if anything does.
        instead: Option<Instead>,
    },
}

/// What to use for a text that is not a cron expression.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Instead {
    /// Another cron expression that means the same.
    Expression {
        /// An expression that [`CronSchedule::parse`](super::CronSchedule::parse) accepts.
        expression: String,
        /// The zone that the text named, as it was written.
        zone: Option<String>,
    },
    /// A fixed rate in place of the expression.
    FixedRate {
        /// The interval in seconds; `None`: the text has none that can be used.
        interval_seconds: Option<i64>,
    },
    /// A job that runs once.
    Once,
    /// No schedule: a start on request.
    OnDemand,
}

/// A wrong part of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Name of the field: `minutes`, `day of week`.
    pub field: &'static str,
    /// Position of the part's first character in the text, counted from 1.
    pub position: usize,
    /// The part as it was written; empty if something is missing.
    pub part: String,
    /// What is wrong with it.
    pub problem: FieldProblem,
}

/// What is wrong with a part of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldProblem {
    /// A number, name or step is missing.
    Missing {
        /// Form of the text that belongs there.
        wanted: String,
    },
    /// A separator comes more than once.
    Repeated {
        /// `/`, `-` or `#`.
        separator: char,
    },
    /// A number is outside the bounds of the field.
    OutOfRange {
        /// The bounds, and the names of the field.
        allowed: &'static str,
    },
    /// Neither a number nor a name of the field.
    NotAValue {
        /// The bounds, and the names of the field.
        allowed: &'static str,
        /// Special days of the field; empty for a field without days.
        specials: &'static str,
    },
    /// The end of a range is before the start.
    Backwards {
        /// The bounds, and the names of the field.
        allowed: &'static str,
        /// Whether the range would wrap around in six or seven fields.
        wraps_in_quartz: bool,
    },
    /// A step is 0, or longer than its field.
    StepOutOfRange {
        /// Longest step of the field.
        max: u32,
        /// The fixed rate of that step, if there is one.
        instead: Option<StepInterval>,
    },
    /// A step is not a number.
    NotAStep {
        /// Longest step of the field.
        max: u32,
    },
    /// `?` is outside the fields for days, or not alone.
    QuestionMark {
        /// Whether the field is one for days.
        is_day: bool,
    },
    /// `H` is not written `H` or `H(a-b)`.
    NotAHash {
        /// The bounds, and the names of the field.
        allowed: &'static str,
    },
    /// `H(…)` has no two ends.
    NotAHashRange,
    /// The range of `H` runs backwards.
    HashBackwards,
    /// `L` stands for a weekday, but names none.
    LastWithoutWeekday,
    /// The number after `#` is not 1 to 5.
    NthOutOfRange,
    /// `L` and `#` share a field with other days, in six or seven fields.
    SpecialDayInList,
    /// Both fields for days are `?`.
    NoDay,
    /// Both fields for days are restricted, in six or seven fields.
    TwoDays {
        /// The day of the month as it was written.
        day_of_month: String,
    },
    /// `W` follows no day of the month.
    NotAWorkday,
    /// `L-n` names a day that no month has.
    BeforeLastOutOfRange {
        /// Largest allowed value of `n`.
        max: u32,
    },
    /// `L` of the month is written in another way.
    NotALastDay,
}

/// A step that is longer than its field, as the interval of a fixed rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepInterval {
    /// Step of the expression.
    pub step: u32,
    /// Its unit, in the plural: `minutes`.
    pub unit: &'static str,
    /// The same length in seconds.
    pub seconds: i64,
}

impl std::error::Error for FieldError {}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            field,
            position,
            part,
            problem,
        } = self;
        match problem {
            FieldProblem::Missing { wanted } => {
                write!(
                    f,
                    "{field}: nothing stands at position {position}, wanted is {wanted}"
                )
            }
            FieldProblem::TwoDays { day_of_month } => write!(
                f,
                "{field}: `{}` at position {position} does not go with day of month \
                 `{day_of_month}`: \
                 with six or seven fields one of the two must be `?`, or write `+{part}` when \
                 both must match",
                part.escape_debug()
            ),
            _ => write!(
                f,
                "{field}: `{}` at position {position} {problem}",
                part.escape_debug()
            ),
        }
    }
}

/// The part of the sentence behind the position.
impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { wanted } => write!(f, "is missing, wanted is {wanted}"),
            Self::Repeated { separator } => write!(f, "has more than one `{separator}`"),
            Self::OutOfRange { allowed } => write!(f, "is out of range {allowed}"),
            Self::NotAValue { allowed, specials } => {
                write!(f, "is not valid, allowed is {allowed}{specials}")
            }
            Self::Backwards {
                allowed,
                wraps_in_quartz: true,
            } => write!(
                f,
                "runs backwards: only in six or seven fields a range may wrap around, allowed is \
                 {allowed}"
            ),
            Self::Backwards {
                allowed,
                wraps_in_quartz: false,
            } => {
                write!(f, "runs backwards, allowed is {allowed}")
            }
            Self::StepOutOfRange { max, instead: None } => {
                write!(f, "is out of range 1-{max} for a step")
            }
            Self::StepOutOfRange {
                max,
                instead: Some(interval),
            } => {
                let StepInterval {
                    step,
                    unit,
                    seconds,
                } = interval;
                write!(
                    f,
                    "is out of range 1-{max} for a step; every {step} {unit} is scheduleType \
                     FIXED_RATE \
                     with intervalSeconds {seconds}, without an expression"
                )
            }
            Self::NotAStep { max } => write!(f, "is not a step, allowed is 1-{max}"),
            Self::NotAHash { allowed } => {
                write!(f, "is not valid, allowed is H, H(a-b) or {allowed}")
            }
            Self::BeforeLastOutOfRange { max } => write!(f, "is out of range L-0 to L-{max}"),
            Self::TwoDays { day_of_month } => {
                write!(f, "does not go with day of month `{day_of_month}`")
            }
            _ => f.write_str(self.sentence()),
        }
    }
}

impl FieldProblem {
    /// The text of a problem that has no values.
    const fn sentence(&self) -> &'static str {
        match self {
            Self::QuestionMark { is_day: true } => "must stand alone in its field",
            Self::QuestionMark { is_day: false } => {
                "is allowed only in day of month and day of week"
            }
            Self::NotAHashRange => "is not a range: `H` takes two ends, as in H(0-29)",
            Self::HashBackwards => "runs backwards, which `H` cannot",
            Self::LastWithoutWeekday => {
                "needs a weekday: FRIL is the last Friday of the month, SAT is Saturday, and `L` \
                 in day of month \
                 is the last day of the month"
            }
            Self::NthOutOfRange => "is out of range 1-5 after `#`, where L is the last",
            Self::SpecialDayInList => {
                "must stand alone in its field: make a job for each, or write five fields"
            }
            Self::NoDay => {
                "does not go with day of month `?`: one of the two must be given, `*` is every day"
            }
            Self::NotAWorkday => "is not valid: `W` follows one day, as in 15W or LW",
            Self::NotALastDay => "is not valid, allowed with `L` is L, L-n, LW or L-nW",
            _ => "is not valid",
        }
    }
}
