//! An expression in English words.
//!
//! The words come from the parsed numbers, not from the text: `0-59/5` and `*/5` read the same.
//! Precision comes before style, because the next fire times are shown with the words.

use super::column::{DAYS, MONTHS};
use super::days::Days;
use super::expression::Expression;
use super::field::Field;
use super::month::MonthDay;
use super::week::{Week, WeekDay};

/// Most times of day that are listed one by one.
const TIMES_LISTED_MAX: usize = 6;
/// Most numbers at equal distances that are listed one by one.
const NUMBERS_LISTED_MAX: usize = 5;
/// Words for "every n-th"; larger numbers are numerals.
const ORDINALS: [&str; 12] = [
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth",
];

/// The whole description, e.g. `at 09:00 on weekdays`.
pub(super) fn describe(expression: &Expression) -> String {
    let Expression {
        days, month, year, ..
    } = expression;
    let (times, listed) = times(expression);
    let mut parts = vec![times];
    // Months are a ring: December to February is one run.
    let months = (!month.all).then(|| span("in", &month.numbers, Some((1, 12)), &month_name));
    // `of February` belongs to a day of the month, `in February` to any other.
    let of = match (days.month.all, &days.week, month.all) {
        (_, _, true) => Some("the month".to_owned()),
        (false, Week { plain, .. }, false) if plain.all => {
            Some(list(&month.numbers, Some((1, 12)), &month_name))
        }
        (true, week, false) if !week.special.is_empty() && week.plain.numbers.is_empty() => {
            Some(list(&month.numbers, Some((1, 12)), &month_name))
        }
        _ => None,
    };
    parts.extend(day_words(
        days,
        &of.as_ref()
            .map(|of| format!(" of {of}"))
            .unwrap_or_default(),
    ));
    parts.extend(months.filter(|_| of.is_none()));
    if !year.all {
        parts.push(span("in", &year.numbers, None, &|year| year.to_string()));
    }
    // `at 09:00` alone would sound like a single time.
    if listed && parts.len() == 1 {
        parts.push("every day".to_owned());
    }
    parts.join(" ")
}

/// The distance of numbers that divide the whole column evenly.
pub(super) fn step(numbers: &[u32], size: u32) -> Option<u32> {
    let [first, second, ..] = numbers else {
        return None;
    };
    // The numbers are in order and without repetitions: the step is never 0.
    let step = second - first;
    let even = numbers.windows(2).all(|pair| pair[1] - pair[0] == step);
    let whole =
        size.is_multiple_of(step) && numbers.len() == usize::try_from(size / step).unwrap_or(0);
    (even && whole).then_some(step)
}

/// `fifth` of 5, `15th` of 15.
pub(super) fn ordinal_word(number: u32) -> String {
    let word = usize::try_from(number)
        .ok()
        .and_then(|number| ORDINALS.get(number.checked_sub(1)?));
    word.map_or_else(|| ordinal(number), |word| (*word).to_owned())
}

/// The times of day, and whether they are listed one by one.
fn times(expression: &Expression) -> (String, bool) {
    let Expression {
        second,
        minute,
        hour,
        ..
    } = expression;
    let count = second.numbers.len() * minute.numbers.len() * hour.numbers.len();
    if count <= TIMES_LISTED_MAX && !hour.all {
        return (format!("at {}", time_list(expression)), true);
    }
    // Seconds are mentioned only if the expression fires inside a minute.
    if second.numbers == [0] {
        return (minutes(minute, hour), false);
    }
    let seconds = each("second", second, 60);
    let minutes = match (minute.all, step(&minute.numbers, 60)) {
        // `every 10 seconds` needs no minute.
        (true, _) if step(&second.numbers, 60).is_some() => String::new(),
        (true, _) => " of every minute".to_owned(),
        (false, Some(step)) => format!(" of every {} minute{}", ordinal_word(step), from(minute)),
        (false, None) => format!(" of {}", noun("minute", minute, 60)),
    };
    (
        format!(
            "{seconds}{minutes}{}",
            hours(hour, step(&minute.numbers, 60).is_none())
        ),
        false,
    )
}

fn time_list(expression: &Expression) -> String {
    let Expression {
        second,
        minute,
        hour,
        ..
    } = expression;
    let mut times = Vec::new();
    for hour in &hour.numbers {
        for minute in &minute.numbers {
            times.extend(
                second
                    .numbers
                    .iter()
                    .map(|second| clock(*hour, *minute, *second)),
            );
        }
    }
    join(&times)
}

/// A time of day such as `09:30`, with seconds as `09:30:15`.
fn clock(hour: u32, minute: u32, second: u32) -> String {
    if second == 0 {
        format!("{hour:02}:{minute:02}")
    } else {
        format!("{hour:02}:{minute:02}:{second:02}")
    }
}

/// Times on the full minute.
fn minutes(minute: &Field, hour: &Field) -> String {
    if minute.numbers == [0] {
        return match step(&hour.numbers, 24) {
            Some(1) => "every hour".to_owned(),
            Some(step) => format!("every {step} hours{}", from(hour)),
            None => format!("on the hour{}", hours(hour, true)),
        };
    }
    format!(
        "{}{}",
        each("minute", minute, 60),
        hours(hour, step(&minute.numbers, 60).is_none())
    )
}

/// `every minute`, `every 5 minutes from 3 on`, `at minutes 1, 2 and 4`.
fn each(unit: &str, field: &Field, size: u32) -> String {
    match step(&field.numbers, size) {
        Some(1) => format!("every {unit}"),
        Some(step) => format!("every {step} {unit}s{}", from(field)),
        None => format!("at {}", noun(unit, field, size)),
    }
}

fn noun(unit: &str, field: &Field, size: u32) -> String {
    let plural = if field.numbers.len() == 1 { "" } else { "s" };
    format!(
        "{unit}{plural} {}",
        list(&field.numbers, Some((0, size)), &|number| number
            .to_string())
    )
}

fn from(field: &Field) -> String {
    match field.numbers.first() {
        Some(first) if *first > 0 => format!(" from {first} on"),
        _ => String::new(),
    }
}

/// The hours that single minutes belong to (`of_hours`), or from when to when.
fn hours(hour: &Field, of_hours: bool) -> String {
    match step(&hour.numbers, 24) {
        Some(1) => if of_hours { " of every hour" } else { "" }.to_owned(),
        Some(step) => format!(" of every {} hour{}", ordinal_word(step), from(hour)),
        None => match run(&hour.numbers, 0, 24) {
            Some((first, last)) if !of_hours => format!(" from {first:02}:00 to {last:02}:59"),
            _ => format!(" of {}", noun("hour", hour, 24)),
        },
    }
}

fn day_words(days: &Days, of_the_month: &str) -> Option<String> {
    // One of the two days is enough, and one of them is any day.
    if days.either && (days.month.all || days.week.plain.all) {
        return None;
    }
    let month = (!days.month.all).then(|| format!("on {}{of_the_month}", month_days(days)));
    let week = week_days(&days.week, of_the_month);
    match (month, week) {
        (Some(month), Some(week)) if days.either => Some(format!("{month} or {week}")),
        // One day is never two weekdays.
        (Some(month), Some(week)) => Some(format!(
            "{month} if it is also {}",
            week.replace(" and ", " or ")
        )),
        (month, week) => month.or(week),
    }
}

fn month_days(days: &Days) -> String {
    let mut parts = Vec::new();
    if !days.month.numbers.is_empty() {
        parts.push(format!(
            "the {}",
            list(&days.month.numbers, Some((1, 31)), &ordinal)
        ));
    }
    parts.extend(days.special.iter().map(|day| match day {
        MonthDay::BeforeLast {
            days: 0,
            workday: false,
        } => "the last day".to_owned(),
        MonthDay::BeforeLast {
            days: 0,
            workday: true,
        } => "the last weekday".to_owned(),
        MonthDay::BeforeLast {
            days,
            workday: false,
        } => format!("the {} before the last", count(*days)),
        MonthDay::BeforeLast {
            days,
            workday: true,
        } => {
            format!("the weekday nearest the {} before the last", count(*days))
        }
        MonthDay::Nearest(day) => format!("the weekday nearest the {}", ordinal(*day)),
    }));
    join(&parts)
}

fn count(days: u32) -> String {
    if days == 1 {
        "day".to_owned()
    } else {
        format!("{} day", ordinal_word(days))
    }
}

fn week_days(week: &Week, of_the_month: &str) -> Option<String> {
    let Week { plain, special, .. } = week;
    if plain.all {
        return None;
    }
    let plain = match plain.numbers[..] {
        [] => None,
        // Sunday is 1.
        [2, 3, 4, 5, 6] => Some("on weekdays".to_owned()),
        [1, 7] => Some("on weekends".to_owned()),
        _ => Some(span("on", &plain.numbers, Some((1, 7)), &weekday_name)),
    };
    let special: Vec<_> = special.iter().map(|day| special_weekday(*day)).collect();
    let special = (!special.is_empty()).then(|| format!("on {}{of_the_month}", join(&special)));
    Some(
        plain
            .into_iter()
            .chain(special)
            .collect::<Vec<_>>()
            .join(" and "),
    )
}

/// `the last Friday`, `the third Friday`.
pub(super) fn special_weekday(day: WeekDay) -> String {
    match day {
        WeekDay::Last(day) => format!("the last {}", weekday_name(day % 7 + 1)),
        WeekDay::Nth(day, nth) => {
            format!("the {} {}", ordinal_word(nth), weekday_name(day % 7 + 1))
        }
    }
}

/// Weekdays by the numbers of the crate `cron` (Sunday is 1): `Monday to Friday`.
pub(super) fn weekdays(numbers: &[u32]) -> String {
    list(numbers, Some((1, 7)), &weekday_name)
}

fn weekday_name(day: u32) -> String {
    name_of(&DAYS, day)
}

fn month_name(month: u32) -> String {
    name_of(&MONTHS, month)
}

/// A name by the number, from 1.
fn name_of(names: &[&str], number: u32) -> String {
    let index = usize::try_from(number).unwrap_or(1).saturating_sub(1);
    title(names[index])
}

/// `in` or `on` before a list, `from` before a run of numbers.
fn span(
    before: &str,
    numbers: &[u32],
    ring: Option<(u32, u32)>,
    name: &dyn Fn(u32) -> String,
) -> String {
    let (start, size) = ring.unwrap_or((0, u32::MAX));
    let before = if run(numbers, start, size).is_some() {
        "from"
    } else {
        before
    };
    format!("{before} {}", list(numbers, ring, name))
}

/// Numbers in words: `9 to 17` when they follow each other (around the end of the `ring` from the
/// first number too), `1, 3, … 59` when they are many at equal distances, else all of them.
fn list(numbers: &[u32], ring: Option<(u32, u32)>, name: &dyn Fn(u32) -> String) -> String {
    let (start, size) = ring.unwrap_or((0, u32::MAX));
    if let Some((first, last)) = run(numbers, start, size) {
        return format!("{} to {}", name(first), name(last));
    }
    let even = numbers
        .windows(3)
        .all(|three| three[1] - three[0] == three[2] - three[1]);
    if let ([first, second, .., last], true) = (numbers, even && numbers.len() > NUMBERS_LISTED_MAX)
    {
        return format!("{}, {}, … {}", name(*first), name(*second), name(*last));
    }
    join(
        &numbers
            .iter()
            .map(|number| name(*number))
            .collect::<Vec<_>>(),
    )
}

/// First and last of three or more numbers that follow each other in a ring.
fn run(numbers: &[u32], start: u32, size: u32) -> Option<(u32, u32)> {
    let (&lowest, &highest) = (numbers.first()?, numbers.last()?);
    // A run around the end, such as 22 to 3, has both ends of the ring and one gap.
    let wraps = lowest == start && highest - start == size - 1;
    let mut gaps = numbers.windows(2).filter(|pair| pair[1] - pair[0] != 1);
    let found = match (gaps.next(), gaps.next()) {
        (None, _) => (lowest, highest),
        (Some(gap), None) if wraps => (gap[1], gap[0]),
        _ => return None,
    };
    (numbers.len() >= 3).then_some(found)
}

fn join(parts: &[String]) -> String {
    match parts {
        [most @ .., last] if !most.is_empty() => format!("{} and {last}", most.join(", ")),
        _ => parts.concat(),
    }
}

fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        // 11th, 12th and 13th are exceptions.
        (1, 1 | 21..) => "st",
        (2, 2 | 22..) => "nd",
        (3, 3 | 23..) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// A name such as `FRIDAY` in the form `Friday`.
fn title(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    format!("{first}{}", rest.to_ascii_lowercase())
}
