//! Requests that GraphQL's grammar allows, mostly of the schema's own names: choices are the
//! fuzzer's bytes.
//!
//! A choice may repeat what it made, so that a few bytes make deep, wide and multiplied requests.

use arbitrary::{Result, Unstructured};
use async_graphql::{Name, Request, Value, Variables};

const FIELDS: [&str; 24] = [
    "jobs",
    "job",
    "jobLogs",
    "jobVersions",
    "jobsPage",
    "executionsPage",
    "nodes",
    "edges",
    "node",
    "executions",
    "id",
    "name",
    "payload",
    "output",
    "previewSchedule",
    "upcoming",
    "overview",
    "attention",
    "cluster",
    "__typename",
    "__schema",
    "types",
    "createJobs",
    "nonsense",
];
const ARGUMENTS: [&str; 10] = [
    "id", "jobId", "first", "filter", "input", "inputs", "count", "if", "hours", "x",
];
const TYPES: [&str; 8] = [
    "Query",
    "Job",
    "JobConnection",
    "Mutation",
    "JSON",
    "CreateJobInput",
    "Int",
    "Nothing",
];
const REPEATS: [usize; 8] = [1, 1, 1, 2, 10, 30, 70, 500];
/// Fields of a query that are valid by themselves.
const VALID: [&str; 8] = [
    "jobs { id name payload retry { maxAttempts } }",
    "jobsPage(first: 20, filter: {search: \"x\"}) { edges { node { id executions(first: 2) { nodes { id } } } } }",
    "job(id: \"x\") { ... on Job { nextFireTimes(count: 3) } }",
    "previewSchedule(input: {name: \"x\", scheduleType: CRON, cronExpression: \"@daily\", payload: [[{a: 1}]]}) { zone }",
    "upcoming(hours: 24) { buckets crowded { jobs } }",
    "overview { attention { kind } cluster { pause { since } } }",
    "__schema { types { name fields { name type { name ofType { name } } } } }",
    "__typename",
];
/// Bytes of a query at most: more is refused by its tokens.
const BYTES_MAX: usize = 64 * 1024;

/// One request.
pub fn request(bytes: &mut Unstructured<'_>) -> Result<Request> {
    if bytes.ratio(1, 3)? {
        return valid(bytes).map(Request::new);
    }
    let mut query = String::new();
    for _ in 0..=bytes.int_in_range(0..=2_u8)? {
        operation(bytes, &mut query)?;
    }
    for number in 0..bytes.int_in_range(0..=12_u8)? {
        let on = bytes.choose(&TYPES)?;
        let selection_set = selection_set(bytes, 3)?;
        query.extend([
            " fragment f",
            &number.to_string(),
            " on ",
            on,
            " ",
            &selection_set,
        ]);
    }
    if bytes.ratio(1, 20)? {
        damage(bytes, &mut query)?;
    }
    let variables = Variables::from_value(Value::Object(
        [(Name::new("v0"), variable(bytes)?)].into_iter().collect(),
    ));
    Ok(Request::new(query).variables(variables))
}

/// A query whose only faults are its sizes.
fn valid(bytes: &mut Unstructured<'_>) -> Result<String> {
    let mut fields = String::new();
    for number in 0..=bytes.int_in_range(0..=3_u8)? {
        fields.extend(["a", &number.to_string(), ": ", bytes.choose(&VALID)?, " "]);
    }
    let fields = repeated(bytes, "... on Query { ", &fields, "} ")?;
    Ok(format!(
        "{{ {fields} ...F }} fragment F on Query {{ ...G {} }} fragment G on Query {{ __typename }}",
        bytes.choose(&VALID)?
    ))
}

fn operation(bytes: &mut Unstructured<'_>, query: &mut String) -> Result<()> {
    *query += bytes.choose(&["query", "mutation", "subscription", "", "query Q"])?;
    if !query.is_empty() && bytes.ratio(1, 2)? {
        let (of, default) = (bytes.choose(&TYPES)?, value(bytes, 3)?);
        let of = repeated(bytes, "[", of, "]")?;
        query.extend(["($v0: ", &of, " = ", &default, ")"]);
    }
    *query += &directives(bytes)?;
    *query += &selection_set(bytes, 4)?;
    Ok(())
}

fn selection_set(bytes: &mut Unstructured<'_>, room: u8) -> Result<String> {
    let mut inner = String::new();
    for _ in 0..=bytes.int_in_range(0..=4_u8)? {
        inner += &selection(bytes, room)?;
        inner.push(' ');
    }
    if inner.len() < BYTES_MAX / 8 {
        inner = inner.repeat(*bytes.choose(&REPEATS)?);
    }
    let open = bytes.choose(&["{ ", "{ ... { ", "{ jobs { ", "{ ... on Query { "])?;
    let close = "} ".repeat(open.matches('{').count());
    Ok(if inner.len() < BYTES_MAX {
        repeated(bytes, open, &inner, &close)?
    } else {
        "{ id }".to_owned()
    })
}

fn selection(bytes: &mut Unstructured<'_>, room: u8) -> Result<String> {
    Ok(match bytes.int_in_range(0..=6_u8)? {
        0 => format!("...f{}", bytes.int_in_range(0..=12_u8)?),
        1 if room > 0 => format!(
            "... on {} {}",
            bytes.choose(&TYPES)?,
            selection_set(bytes, room - 1)?
        ),
        choice => {
            let alias = if choice == 2 {
                format!("a{}: ", bytes.int_in_range(0..=99_u8)?)
            } else {
                String::new()
            };
            let (name, arguments, directives) = (
                bytes.choose(&FIELDS)?,
                arguments(bytes)?,
                directives(bytes)?,
            );
            let of = if room > 0 && bytes.ratio(1, 2)? {
                selection_set(bytes, room - 1)?
            } else {
                String::new()
            };
            format!("{alias}{name}{arguments}{directives}{of}")
        }
    })
}

fn arguments(bytes: &mut Unstructured<'_>) -> Result<String> {
    if bytes.ratio(2, 3)? {
        return Ok(String::new());
    }
    let (name, value) = (bytes.choose(&ARGUMENTS)?, value(bytes, 3)?);
    let argument = format!("{name}: {value} ");
    Ok(format!(
        "({})",
        if argument.len() < 200 {
            argument.repeat(*bytes.choose(&REPEATS)?)
        } else {
            argument
        }
    ))
}

fn directives(bytes: &mut Unstructured<'_>) -> Result<String> {
    if bytes.ratio(5, 6)? {
        return Ok(String::new());
    }
    let directive = format!(
        " @{}{}",
        bytes.choose(&["skip", "include", "x"])?,
        arguments(bytes)?
    );
    Ok(if directive.len() < 200 {
        directive.repeat(*bytes.choose(&REPEATS)?)
    } else {
        directive
    })
}

fn value(bytes: &mut Unstructured<'_>, room: u8) -> Result<String> {
    Ok(match bytes.int_in_range(0..=9_u8)? {
        0 => "$v0".to_owned(),
        1 => "1.5e300".to_owned(),
        2 => format!("\"{}\"", "x\\\"{[(".repeat(*bytes.choose(&REPEATS)?)),
        3 => format!("\"\"\"{}\"\"\"", "\\\"\"\" [{ \n".repeat(*bytes.choose(&REPEATS)?)),
        4 if room > 0 => {
            let inner = value(bytes, room - 1)?;
            repeated(bytes, "[", &inner, "]")?
        }
        5 if room > 0 => {
            let inner = value(bytes, room - 1)?;
            repeated(bytes, "{a: ", &inner, "}")?
        }
        6 => "{name: \"x\", scheduleType: CRON, cronExpression: \"* * * * *\", payload: [1, {a: null}]}".to_owned(),
        7 => "ENUM".to_owned(),
        8 => "null".to_owned(),
        _ => bytes.int_in_range(-1..=1_000)?.to_string(),
    })
}

fn variable(bytes: &mut Unstructured<'_>) -> Result<Value> {
    let depth = *bytes.choose(&[0, 1, 5, 63, 99, 100, 120])?;
    let inner = Value::String("x".repeat(*bytes.choose(&[0, 10, 100_000])?));
    Ok((0..depth).fold(inner, |value, _| Value::List(vec![value])))
}

fn repeated(bytes: &mut Unstructured<'_>, open: &str, inner: &str, close: &str) -> Result<String> {
    let times = *bytes.choose(&REPEATS)?;
    Ok(format!(
        "{}{inner}{}",
        open.repeat(times),
        close.repeat(times)
    ))
}

/// Takes a piece out, or puts an odd one in.
fn damage(bytes: &mut Unstructured<'_>, query: &mut String) -> Result<()> {
    let at = query.floor_char_boundary(bytes.choose_index(query.len() + 1)?);
    match bytes.choose(&[
        "", "\"", "\"\"\"", "#", "\r", "}", "{", "\u{feff}", "\u{0}", "é",
    ])? {
        &"" => query.truncate(at),
        odd => query.insert_str(at, odd),
    }
    Ok(())
}
