//! What a person may not have meant: said, never refused.

use super::column::Column;
use super::expression::Expression;
use std::fmt::Write;

/// Numbers shown before a list is cut short.
const NUMBERS_SHOWN_MAX: usize = 4;

/// A step that does not divide its column starts anew with each round of it.
pub(super) fn uneven_step(column: &Column, item: &str, step: u32, numbers: &[u32]) -> Option<String> {
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
            format!("{} and {}", most.iter().map(shown).collect::<Vec<_>>().join(", "), shown(last))
        }
        [first, second, rest @ ..] => {
            let last = rest.last().unwrap_or(second);
            format!("{}, {}, … {}", shown(first), shown(second), shown(last))
        }
    };
    Some(format!("`{item}` in {} runs at {list}, not every {step} {}", column.name, column.unit))
}

/// All warnings that need no instant.
pub(super) fn of(expression: &Expression, seeded: bool) -> Vec<String> {
    let mut warnings: Vec<_> = expression.fields().flat_map(|field| field.warnings.iter().cloned()).collect();
    warnings.extend(every_second(expression));
    if let Some(ignored) = &expression.ignored {
        warnings.push(format!("`{}` after the year is ignored, as by Quartz", ignored.escape_debug()));
    }
    if !seeded && expression.fields().any(|field| field.hashed) {
        warnings.push("`H` is a number of the job's own, from its id: a job's times differ from these".to_owned());
    }
    warnings
}

/// `* */5 * * * ?` was most often meant as `0 */5 * * * ?`.
fn every_second(expression: &Expression) -> Option<String> {
    let Expression { second, minute, hour, .. } = expression;
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
