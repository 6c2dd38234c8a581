//! A cron expression before a job has it: in words, with its next fire times and its surprises.
//!
//! ```
//! use horolog_schedule::cron::CronOptions;
//! use horolog_schedule::preview::preview;
//!
//! let now = "2026-11-29T10:00:00Z".parse()?;
//! let preview = preview("0 9 * * 1-5", &CronOptions::default(), now, 3)?;
//! assert_eq!(preview.description, "at 09:00 on weekdays");
//! assert_eq!(preview.fire_times[0], "2026-11-30T09:00:00Z".parse::<horolog_schedule::Timestamp>()?);
//! assert!(preview.warnings.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::Timestamp;
use crate::cron::{CronError, CronOptions, CronSchedule, Dialect};
use crate::zone::Zone;
use std::iter::successors;

/// Most fire times of one preview.
pub const COUNT_MAX: usize = 1_000;

/// The meaning of an expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// The text, without white space around it.
    pub expression: String,
    /// The rules that it follows.
    pub dialect: Dialect,
    /// The zone of the local times.
    pub zone: Zone,
    /// The expression in English words.
    pub description: String,
    /// The next fire times, in order. Fewer than requested: the expression names no more.
    pub fire_times: Vec<Timestamp>,
    /// Meanings that its author may not expect, in words.
    pub warnings: Vec<String>,
}

/// Why there is no preview.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PreviewError {
    /// The expression was refused.
    #[error(transparent)]
    Cron(#[from] CronError),
    /// More than [`COUNT_MAX`] fire times were requested.
    #[error("a preview shows at most {COUNT_MAX} fire times")]
    TooMany,
}

/// The first `count` fire times strictly after `after`, with words and warnings.
pub fn preview(
    expression: &str,
    options: &CronOptions,
    after: Timestamp,
    count: usize,
) -> Result<Preview, PreviewError> {
    if count > COUNT_MAX {
        return Err(PreviewError::TooMany);
    }
    let schedule = CronSchedule::parse(expression, options)?;
    let mut warnings = schedule.all_warnings(after);
    let first = schedule.next_after(after);
    if first.is_none() {
        warnings.push("it never fires again".to_owned());
    }
    Ok(Preview {
        expression: schedule.expression().to_owned(),
        dialect: schedule.dialect(),
        zone: schedule.zone().clone(),
        description: schedule.description(),
        fire_times: successors(first, |last| schedule.next_after(*last))
            .take(count)
            .collect(),
        warnings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cron::{DstGap, DstOverlap};

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn options(zone: &str) -> CronOptions {
        CronOptions {
            zone: zone.parse().expect("a zone"),
            ..CronOptions::default()
        }
    }

    fn warnings(expression: &str, options: &CronOptions) -> Vec<String> {
        preview(expression, options, at("2026-11-23T07:15:00Z"), 1)
            .expect(expression)
            .warnings
    }

    #[test]
    fn a_preview_says_it_all() {
        let preview = preview(
            " 0 9 * * 1-5 ",
            &options("Europe/Berlin"),
            at("2026-11-20T08:00:00Z"),
            2,
        )
        .expect("valid");
        let expected = Preview {
            expression: "0 9 * * 1-5".to_owned(),
            dialect: Dialect::Unix,
            zone: Zone::named("Europe/Berlin").expect("a zone"),
            description: "at 09:00 on weekdays".to_owned(),
            fire_times: vec![at("2026-11-23T08:00:00Z"), at("2026-11-24T08:00:00Z")],
            warnings: vec![],
        };
        assert_eq!(preview, expected);
    }

    #[test]
    fn a_preview_is_bounded_and_names_what_is_wrong() {
        let ask = |expression: &str, count| {
            preview(
                expression,
                &options("UTC"),
                at("2026-11-23T07:15:00Z"),
                count,
            )
        };
        assert_eq!(
            ask("* * * * * ?", 1_000).map(|preview| preview.fire_times.len()),
            Ok(1_000)
        );
        assert!(
            ask("* * * * * ?", 1_001)
                .is_err_and(|error| error.to_string().contains("at most 1000"))
        );
        assert!(
            ask("0 99 * * *", 1)
                .is_err_and(|error| error.to_string().starts_with("hours: `99` at position 3"))
        );
        let over = ask("0 0 0 1 1 ? 2020", 5).expect("valid");
        assert_eq!(
            (over.fire_times.len(), over.warnings),
            (0, vec!["it never fires again".to_owned()])
        );
    }

    #[test]
    fn coming_changes_of_the_clock_are_told_where_they_matter() {
        let (new_york, lord_howe) = (options("America/New_York"), options("Australia/Lord_Howe"));
        let cases = [
            (
                &new_york,
                "30 2 * * *",
                "on 2027-03-14 02:30 does not exist: runs 03:00",
            ),
            (
                &new_york,
                "30 1 * * *",
                "on 2027-11-07 01:30 happens twice: runs once, the first time",
            ),
            (
                &new_york,
                "0 0 1 * * ?",
                "on 2027-11-07 01:00 happens twice: runs once, the first time",
            ),
            (
                &new_york,
                "15 30 2 * * ?",
                "on 2027-03-14 02:30:15 does not exist: runs 03:00",
            ),
            (
                &new_york,
                "0,30 1,2 * * *",
                "on 2027-03-14 the clock goes from 02:00 to 03:00: what falls between runs once, \
                 at 03:00\n\
                 on 2027-11-07 01:00 to 02:00 happens twice: what falls there runs once, the \
                 first time",
            ),
            (
                &new_york,
                "30 0-1 * * *",
                "on 2027-11-07 01:30 happens twice: runs both times",
            ),
            (&new_york, "30 * * * *", ""),
            (
                &new_york,
                "30 */2 * * *",
                "on 2027-03-14 02:30 does not exist: does not run",
            ),
            (
                &new_york,
                "*/20 2 * * *",
                "on 2027-03-14 the clock goes from 02:00 to 03:00: what falls between runs once, \
                 at 03:00",
            ),
            (
                &lord_howe,
                "15 2 * * *",
                "on 2027-10-03 02:15 does not exist: runs 02:30",
            ),
            (
                &lord_howe,
                "45 1 * * *",
                "on 2027-04-04 01:45 happens twice: runs once, the first time",
            ),
            (&new_york, "*/30 * * * *", ""),
            (&new_york, "* * * * * ?", ""),
            (&new_york, "0 9 * * *", ""),
            (&new_york, "30 2 * 7 *", ""),
        ];
        for (options, expression, expected) in cases {
            assert_eq!(
                warnings(expression, options).join("\n"),
                expected,
                "{expression} in {}",
                options.zone
            );
        }
    }

    #[test]
    fn the_words_follow_the_policy() {
        let with = |dst_gap, dst_overlap| CronOptions {
            dst_gap,
            dst_overlap,
            ..options("America/New_York")
        };
        let skip = with(DstGap::Skip, DstOverlap::Second);
        assert_eq!(
            warnings("30 2 * * *", &skip),
            ["on 2027-03-14 02:30 does not exist: does not run"]
        );
        assert_eq!(
            warnings("30 1 * * *", &skip),
            ["on 2027-11-07 01:30 happens twice: runs once, the second time"]
        );
        let shift = with(DstGap::ShiftByGap, DstOverlap::Both);
        assert_eq!(
            warnings("30 2 * * *", &shift),
            ["on 2027-03-14 02:30 does not exist: runs 03:30"]
        );
        let later = "on 2027-03-14 the clock goes from 02:00 to 03:00: what falls between runs 60 minutes later";
        assert_eq!(warnings("10,20 2 * * *", &shift), [later]);
        let samoa = preview(
            "0 9 * * *",
            &options("Pacific/Apia"),
            at("2011-12-01T00:00:00Z"),
            1,
        )
        .expect("valid");
        assert_eq!(
            samoa.warnings[0],
            "on 2011-12-30 09:00 does not exist: runs 2011-12-31 00:00"
        );
    }
}
