//! What a person may not have meant: said, never refused.

use super::column::Column;
use super::expression::Expression;
use super::week::Week;
use std::fmt::Write;

/// Numbers shown before a list is cut short.
const NUMBERS_SHOWN_MAX: usize = 4;

/// A step that does not divide its column starts anew with each round of it.
pub(super) fn uneven_step(
    column: &Column,
    item: &str,
    step: u32,
    numbers: &[u32],
) -> Option<String> {
    if step == 1 || !column.circular || column.size().is_multiple_of(step) {
        return None;
    }
    let mark = if column.max == 59 { ":" } else { "" };
    let width = if column.max == 59 { 2 } else { 1 };
    let shown = |number: &u32| {
        let number = number - column.base + column.min;
        format!("{mark}{number:0width$}")
    };
    let list = match numbers {
        [] => return None,
        [one] => format!("{} only", shown(one)),
        [most @ .., last] if numbers.len() <= NUMBERS_SHOWN_MAX => {
            format!(
                "{} and {}",
                most.iter().map(shown).collect::<Vec<_>>().join(", "),
                shown(last)
            )
        }
        [first, second, rest @ ..] => {
            let last = rest.last().unwrap_or(second);
            format!("{}, {}, … {}", shown(first), shown(second), shown(last))
        }
    };
    Some(format!(
        "`{item}` in {} runs at {list}, not every {step} {}",
        column.name, column.unit
    ))
}

/// `L` alone in the day of the week of six or seven fields.
pub(super) const LAST_DAY_OF_THE_WEEK: &str = "`L` alone in day of week is every Saturday, the last day of the week: write SAT, or FRIL for the last Friday of the month";

/// Weekdays by number that most other dialects count from Sunday 0 (Monday 1): always when neither
/// day is `?`, which Quartz itself asks for; else when they look like the working days of those
/// dialects.
pub(super) fn weekday_numbers(month_days: &str, week_days: &str, week: &Week) -> Option<String> {
    let numbers = &week.plain.numbers[..];
    let is_quartz = month_days == "?";
    let looks_like_workdays =
        numbers.len() > 1 && numbers.first() == Some(&1) && numbers.last() <= Some(&6);
    let means_the_same = week.plain.all || numbers == [2, 3, 4, 5, 6];
    let is_typed_as_number = week_days.starts_with(|char: char| char.is_ascii_digit())
        && week_days
            .chars()
            .all(|char| char.is_ascii_digit() || ",-/#Ll".contains(char));
    if !is_typed_as_number || means_the_same || (is_quartz && !looks_like_workdays) {
        return None;
    }
    let here = match week.special[..] {
        [day] => super::describe::special_weekday(day),
        _ => super::describe::weekdays(numbers),
    };
    let elsewhere = names_elsewhere(week_days);
    Some(format!(
        "`{week_days}` in day of week is {here} here, where Sunday is 1: write {elsewhere} if that is meant"
    ))
}

/// Both days are restricted in five fields, and one of them, or both, begins with a `*`.
pub(super) fn both_must_match(month_days: &str, week_days: &str) -> String {
    let fields = [("month", month_days, "1-31"), ("week", week_days, "0-6")];
    let stars: Vec<_> = fields
        .into_iter()
        .filter(|(_, typed, _)| typed.starts_with('*'))
        .collect();
    let begin: Vec<_> = stars
        .iter()
        .map(|(name, typed, _)| format!("`{typed}` in day of {name}"))
        .collect();
    let either: Vec<_> = stars
        .iter()
        .map(|(_, typed, all)| format!("`{}`", typed.replacen('*', all, 1)))
        .collect();
    format!(
        "{} begins with `*`, so that both days must match, as in Vixie cron: write {} if one of the two is enough",
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

/// All warnings that need no instant.
pub(super) fn of(expression: &Expression, seeded: bool) -> Vec<String> {
    let mut warnings: Vec<_> = expression
        .fields()
        .flat_map(|field| field.warnings.iter().cloned())
        .collect();
    warnings.extend(every_second(expression));
    if let Some(ignored) = &expression.ignored {
        warnings.push(format!(
            "`{}` after the year is ignored, as by Quartz",
            ignored.escape_debug()
        ));
    }
    if !seeded && expression.fields().any(|field| field.hashed) {
        warnings.push(
            "`H` is a number of the job's own, from its id: a job's times differ from these"
                .to_owned(),
        );
    }
    warnings
}

/// `* */5 * * * ?` was most often meant as `0 */5 * * * ?`.
fn every_second(expression: &Expression) -> Option<String> {
    let Expression {
        second,
        minute,
        hour,
        ..
    } = expression;
    let (name, each, inner) = match () {
        () if second.all && !minute.all => ("seconds", "second", minute),
        () if minute.all && !hour.all && hour.numbers.len() == 1 => ("minutes", "minute", hour),
        () => return None,
    };
    let unit = if name == "seconds" { "minute" } else { "hour" };
    let mut text = format!("`*` in {name} fires every {each} of ");
    match super::describe::step(&inner.numbers, if unit == "minute" { 60 } else { 24 }) {
        Some(step) => write!(text, "every {} {unit}", super::describe::ordinal_word(step)),
        None if inner.numbers.len() == 1 => write!(text, "that {unit}"),
        None => write!(text, "these {unit}s"),
    }
    .ok()?;
    Some(format!("{text}: write 0 there to fire once"))
}
