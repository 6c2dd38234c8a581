//! A look at a cron expression before any job has it: words, the next fire
//! times, and what may surprise. Needs no job and no database.

use super::Timestamp;
use super::cron::{CronError, CronOptions, CronSchedule, Dialect};
use super::zone::Zone;
use std::iter::successors;

/// Most fire times that one preview shows.
pub const COUNT_MAX: usize = 1_000;

/// What an expression means.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// As typed, without the blanks around it.
    pub expression: String,
    /// Whose rules it follows.
    pub dialect: Dialect,
    /// Whose local time it names.
    pub zone: Zone,
    /// In English words.
    pub description: String,
    /// The next ones, in order; fewer than asked for when it ends.
    pub fire_times: Vec<Timestamp>,
    /// What may surprise, in words.
    pub warnings: Vec<String>,
}

/// The first `count` fire times strictly after `after`, and words about them.
pub fn preview(
    expression: &str,
    options: &CronOptions,
    after: Timestamp,
    count: usize,
) -> Result<Preview, CronError> {
    if count > COUNT_MAX {
        return Err(CronError(format!(
            "a preview shows at most {COUNT_MAX} fire times"
        )));
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
    use crate::model::schedule::cron::{DstGap, DstOverlap};

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
        assert!(ask("* * * * * ?", 1_001).is_err_and(|error| error.0.contains("at most 1000")));
        assert!(
            ask("0 99 * * *", 1)
                .is_err_and(|error| error.0.starts_with("hours: `99` at position 3"))
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
                "on 2027-03-14 the clock goes from 02:00 to 03:00: what falls between runs once, at 03:00\n\
                 on 2027-11-07 01:00 to 02:00 happens twice: what falls there runs once, the first time",
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
                "on 2027-03-14 the clock goes from 02:00 to 03:00: what falls between runs once, at 03:00",
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
