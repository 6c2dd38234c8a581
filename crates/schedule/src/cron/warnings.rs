//! Warnings about expressions that are valid, but often mean something else to the authors.

use super::column::Column;
use super::days::Days;
use super::describe;
use super::expression::Expression;
use super::field::UnevenStep;
use super::options::Dialect;
use std::fmt::Write;

/// Most numbers of a list that is shown in full.
const NUMBERS_SHOWN_MAX: usize = 4;

/// `L` alone in the day of the week of six or seven fields.
const LAST_DAY_OF_THE_WEEK: &str = "`L` alone in day of week is every Saturday, the last day of \
     the week: \
     write SAT, or FRIL for the last Friday of the month";

/// `H` without a job.
const HASH_WITHOUT_JOB: &str =
    "`H` is a number of the job's own, from its id: a job's times differ from these";

/// All warnings that need no instant. `seeded`: `H` has the seed of a job.
pub(super) fn of(expression: &Expression, seeded: bool) -> Vec<String> {
    let uneven_steps = expression.fields().flat_map(|field| &field.uneven_steps);
    let mut warnings: Vec<String> = uneven_steps.filter_map(uneven_step).collect();
    warnings.extend(days(expression.dialect, &expression.days));
    warnings.extend(every_second(expression));
    if let Some(ignored) = &expression.ignored {
        let ignored = ignored.escape_debug();
        warnings.push(format!(
            "`{ignored}` after the year is ignored, as by Quartz"
        ));
    }
    if !seeded && expression.fields().any(|field| field.hashed) {
        warnings.push(HASH_WITHOUT_JOB.to_owned());
    }
    warnings
}

/// A step that does not divide its column starts again with each round of it.
fn uneven_step(uneven: &UnevenStep) -> Option<String> {
    let UnevenStep {
        column,
        item,
        step,
        numbers,
    } = uneven;
    let list = match &numbers[..] {
        [] => return None,
        [one] => format!("{} only", shown(column, *one)),
        [most @ .., last] if numbers.len() <= NUMBERS_SHOWN_MAX => {
            let most: Vec<_> = most.iter().map(|number| shown(column, *number)).collect();
            format!("{} and {}", most.join(", "), shown(column, *last))
        }
        [first, second, rest @ ..] => {
            let last = rest.last().unwrap_or(second);
            let [first, second, last] = [first, second, last].map(|number| shown(column, *number));
            format!("{first}, {second}, … {last}")
        }
    };
    let Column { name, unit, .. } = column;
    Some(format!(
        "`{item}` in {name} runs at {list}, not every {step} {unit}"
    ))
}

/// A number as its column writes it: `:05` of minutes and seconds, `5` of other columns.
fn shown(column: &Column, number: u32) -> String {
    let number = number - column.base + column.min;
    if column.max == 59 {
        format!(":{number:02}")
    } else {
        number.to_string()
    }
}

/// What the two fields for days do together.
fn days(dialect: Dialect, days: &Days) -> Option<String> {
    match dialect {
        Dialect::Unix => {
            let is_restricted_twice = !days.month.all && !days.week.plain.all;
            (is_restricted_twice && !days.either && !days.typed.is_week_demanded)
                .then(|| both_must_match(&days.typed.month, &days.typed.week))
        }
        Dialect::Quartz if days.typed.week.eq_ignore_ascii_case("L") => {
            Some(LAST_DAY_OF_THE_WEEK.to_owned())
        }
        Dialect::Quartz => weekday_numbers(days),
    }
}

/// Weekdays by number. Most other dialects count them from Sunday 0, so Monday is 1. A warning
/// comes always if neither day is `?`, which Quartz itself demands; else if the numbers look like
/// the working days of those dialects.
fn weekday_numbers(days: &Days) -> Option<String> {
    let (week, typed) = (&days.week, &days.typed.week);
    let numbers = &week.plain.numbers[..];
    let looks_like_workdays =
        numbers.len() > 1 && numbers.first() == Some(&1) && numbers.last() <= Some(&6);
    let means_the_same = week.plain.all || numbers == [2, 3, 4, 5, 6];
    let is_typed_as_number = typed.starts_with(|char: char| char.is_ascii_digit())
        && typed
            .chars()
            .all(|char| char.is_ascii_digit() || ",-/#Ll".contains(char));
    // An author of a `?` knows Quartz, where Sunday is 1.
    let is_quartz = days.typed.month == "?";
    if !is_typed_as_number || means_the_same || (is_quartz && !looks_like_workdays) {
        return None;
    }
    let here = match week.special[..] {
        [day] => describe::special_weekday(day),
        _ => describe::weekdays(numbers),
    };
    let elsewhere = names_elsewhere(typed);
    Some(format!(
        "`{typed}` in day of week is {here} here, where Sunday is 1: write {elsewhere} if that \
         is meant"
    ))
}

/// Both days are restricted in five fields, and at least one of them begins with `*`.
fn both_must_match(month_days: &str, week_days: &str) -> String {
    let mut begin = Vec::new();
    let mut either = Vec::new();
    for (name, typed, all) in [("month", month_days, "1-31"), ("week", week_days, "0-6")] {
        if typed.starts_with('*') {
            begin.push(format!("`{typed}` in day of {name}"));
            either.push(format!("`{}`", typed.replacen('*', all, 1)));
        }
    }
    format!(
        "{} begins with `*`, so that both days must match, as in Vixie cron: write {} if one of \
         the two is enough",
        begin.join(", and "),
        either.join(" and ")
    )
}

/// `MON-FRI` for `1-5`: the names of weekdays that are counted from Sunday 0.
fn names_elsewhere(week_days: &str) -> String {
    let (days, step) = week_days.split_at(week_days.find(['/', '#']).unwrap_or(week_days.len()));
    let named = days.chars().map(|char| match char.to_digit(10) {
        Some(day) => super::column::DAYS[(day % 7) as usize][..3].to_owned(),
        None => char.to_string(),
    });
    named.collect::<String>() + step
}

/// Most authors of `* */5 * * * ?` mean `0 */5 * * * ?`.
fn every_second(expression: &Expression) -> Option<String> {
    let Expression {
        second,
        minute,
        hour,
        ..
    } = expression;
    let (name, each, inner) = match () {
        () if second.all && !minute.all => ("seconds", "second", minute),
        // Every minute of several hours is a usual schedule; of one hour it is usually a mistake.
        () if minute.all && !hour.all && hour.numbers.len() == 1 => ("minutes", "minute", hour),
        () => return None,
    };
    let unit = if name == "seconds" { "minute" } else { "hour" };
    let mut text = format!("`*` in {name} fires every {each} of ");
    match describe::step(&inner.numbers, if unit == "minute" { 60 } else { 24 }) {
        Some(step) => write!(text, "every {} {unit}", describe::ordinal_word(step)),
        None if inner.numbers.len() == 1 => write!(text, "that {unit}"),
        None => write!(text, "these {unit}s"),
    }
    .ok()?;
    Some(format!("{text}: write 0 there to fire once"))
}
