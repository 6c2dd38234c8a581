//! `horolog preview`: the meaning of a cron expression, before a job has it.
//!
//! Without database, log and runtime: the answer takes milliseconds.

use crate::model::schedule::cron::CronOptions;
use crate::model::schedule::preview::{Preview, preview};
use crate::model::schedule::zone::Zone;
use crate::model::{Timestamp, rfc3339};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::fmt::Write;

/// What `horolog preview` is asked.
#[derive(Debug, Args)]
pub struct PreviewConfig {
    /// Five fields of Unix, six or seven of Quartz, or a nickname such as @daily; in quotes.
    expression: String,
    /// The IANA time zone whose local time the expression names.
    #[arg(long, default_value = "UTC", allow_hyphen_values = true)]
    zone: Zone,
    /// Show what fires after this time (RFC 3339). [default: now]
    #[arg(long, value_parser = time)]
    after: Option<Timestamp>,
    /// How many fire times to show.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    count: u16,
    /// Text, or JSON for programs.
    #[arg(long, value_enum, ignore_case = true, default_value = "text")]
    output: Output,
}

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Lines of text, with local times.
    Text,
    /// One JSON object, times in UTC; with the one key `error` when the question is wrong.
    Json,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    expression: &'a str,
    dialect: &'a str,
    zone: &'a str,
    description: &'a str,
    fire_times: Vec<String>,
    warnings: &'a [String],
}

#[derive(Serialize)]
struct JsonError<'a> {
    error: &'a str,
}

/// A refusal in the requested format.
#[derive(Debug)]
pub enum Refusal {
    /// Text on stderr.
    Text(String),
    /// One JSON object with the key `error` on stdout, where a program reads the answer.
    Json(String),
}

impl Refusal {
    fn new(output: Output, error: String) -> Self {
        match output {
            Output::Text => Self::Text(error),
            Output::Json => {
                let json = serde_json::to_string(&JsonError { error: &error });
                Self::Json(json.expect("a string is JSON") + "\n")
            }
        }
    }

    /// The refusal of a command line that clap could not read, if it asks for JSON.
    pub fn of_command_line(error: &clap::Error, arguments: &[String]) -> Option<Self> {
        // clap could not read the command line: the option is searched word by word.
        let asks_for_json = arguments
            .windows(2)
            .any(|pair| pair[0] == "--output" && is_json(&pair[1]))
            || arguments
                .iter()
                .filter_map(|argument| argument.strip_prefix("--output="))
                .any(is_json);
        let is_preview = arguments.get(1).is_some_and(|command| command == "preview");
        let text = error.render().to_string();
        // The lines after the first empty one are the usage.
        let what = text
            .split("\n\n")
            .next()
            .unwrap_or_default()
            .trim_start_matches("error: ");
        let what = what.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        // `--help` is no error, and goes to stdout.
        (is_preview && asks_for_json && error.use_stderr()).then(|| Self::new(Output::Json, what))
    }
}

fn is_json(output: &str) -> bool {
    output.eq_ignore_ascii_case("json")
}

impl PreviewConfig {
    /// A refusal that does not concern the expression, for example of an unknown variable.
    pub fn refuse(&self, error: String) -> Refusal {
        Refusal::new(self.output, error)
    }
}

/// The answer, or the refusal.
pub fn run(config: &PreviewConfig) -> Result<String, Refusal> {
    let options = CronOptions {
        zone: config.zone.clone(),
        ..CronOptions::default()
    };
    let after = config.after.unwrap_or_else(now);
    let preview = preview(
        &config.expression,
        &options,
        after,
        usize::from(config.count),
    );
    let preview = preview
        .map_err(|error| Refusal::new(config.output, format!("cron expression: {error}")))?;
    Ok(match config.output {
        Output::Text => text(&preview),
        Output::Json => json(&preview),
    })
}

/// The wall clock: no job depends on a preview.
#[expect(
    clippy::disallowed_methods,
    reason = "there is no database whose clock could be asked"
)]
fn now() -> Timestamp {
    chrono::Utc::now()
}

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse()
        .map_err(|_| "not a time of RFC 3339, such as 2026-11-23T07:15:00Z".to_owned())
}

fn json(preview: &Preview) -> String {
    let json = Json {
        expression: &preview.expression,
        dialect: preview.dialect.as_str(),
        zone: preview.zone.name(),
        description: &preview.description,
        fire_times: preview.fire_times.iter().copied().map(rfc3339).collect(),
        warnings: &preview.warnings,
    };
    serde_json::to_string(&json).expect("strings and lists of strings are JSON") + "\n"
}

fn text(preview: &Preview) -> String {
    let Preview {
        expression,
        dialect,
        zone,
        description,
        ..
    } = preview;
    let mut text = format!("{expression}   ({dialect}, {zone})\n{description}\n\n");
    for time in &preview.fire_times {
        let local = zone.local(*time).format("%a %Y-%m-%d %H:%M:%S %:z");
        // A write to a string cannot fail.
        let _ = writeln!(text, "{}   {local}", rfc3339(*time));
    }
    for warning in &preview.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        config: PreviewConfig,
    }

    fn ask(arguments: &[&str]) -> Result<String, String> {
        let program = Program::try_parse_from([&["preview"], arguments].concat())
            .map_err(|error| error.to_string())?;
        run(&program.config).map_err(|refusal| match refusal {
            Refusal::Text(error) | Refusal::Json(error) => error,
        })
    }

    #[test]
    fn a_program_gets_errors_as_json_too() {
        let error = ask(&["0 99 * * *", "--output", "json"]).expect_err("hours end at 23");
        let error: serde_json::Value = serde_json::from_str(&error).expect("json");
        let expected = "cron expression: hours: `99` at position 3 is out of range 0-23";
        assert_eq!(error, serde_json::json!({ "error": expected }));
        let cases: [(&[&str], Option<&str>); 7] = [
            (
                &["--output", "json"],
                Some("were not provided: <EXPRESSION>"),
            ),
            (
                &["@daily", "--output", "JSON", "--every"],
                Some("unexpected argument '--every'"),
            ),
            (
                &["@daily", "--zone", "-05:00", "--output=json"],
                Some("Etc/GMT+5"),
            ),
            (
                &["@daily", "--zone", "Berlin", "--output", "json"],
                Some("did you mean Europe/Berlin?"),
            ),
            (
                &["@daily", "--count=0", "--output=json"],
                Some("0 is not in 1..=1000"),
            ),
            (&["@daily", "--zone", "Berlin"], None),
            (&["--help", "--output", "json"], None),
        ];
        for (arguments, expected) in cases {
            let error =
                Program::try_parse_from([&["preview"], arguments].concat()).expect_err("refused");
            let line: Vec<String> = ["horolog", "preview"]
                .iter()
                .chain(arguments)
                .map(|word| (*word).to_owned())
                .collect();
            match (Refusal::of_command_line(&error, &line), expected) {
                (Some(Refusal::Json(json)), Some(expected)) => {
                    let json: serde_json::Value = serde_json::from_str(&json).expect("json");
                    assert!(
                        json["error"]
                            .as_str()
                            .is_some_and(|error| error.contains(expected)),
                        "{json}"
                    );
                }
                (None, None) => {}
                (refusal, _) => panic!("{arguments:?}: {refusal:?}"),
            }
        }
    }

    #[test]
    fn json_has_the_fields_of_the_contract() {
        let after = [
            "--after",
            "2027-03-13T00:00:00+01:00",
            "--count",
            "2",
            "--output",
            "json",
        ];
        let arguments = [&["30 2 * * *", "--zone", "america/new_york"], &after[..]].concat();
        let answer = ask(&arguments).expect("valid");
        assert!(
            answer.starts_with("{\"expression\":") && answer.ends_with("}\n"),
            "{answer}"
        );
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("json");
        let expected = serde_json::json!({
            "expression": "30 2 * * *",
            "dialect": "UNIX",
            "zone": "America/New_York",
            "description": "at 02:30 every day",
            "fireTimes": ["2027-03-13T07:30:00.000Z", "2027-03-14T07:00:00.000Z"],
            "warnings": [
                "on 2027-03-14 02:30 does not exist: runs 03:00",
                "on 2028-03-12 02:30 does not exist: runs 03:00",
            ],
        });
        assert_eq!(answer, expected);
    }

    #[test]
    fn text_shows_local_times_beside_utc_and_warnings_at_the_end() {
        let options = [
            "--zone",
            "Europe/Berlin",
            "--after",
            "2026-11-23T07:15:00Z",
            "--count",
            "1",
        ];
        let answer = ask(&[&["0 */40 9 ? * MON-FRI"], &options[..]].concat()).expect("valid");
        let expected = "\
0 */40 9 ? * MON-FRI   (QUARTZ, Europe/Berlin)
at 09:00 and 09:40 on weekdays

2026-11-23T08:00:00.000Z   Mon 2026-11-23 09:00:00 +01:00
warning: `*/40` in minutes runs at :00 and :40, not every 40 minutes
";
        assert_eq!(answer, expected);
    }

    #[test]
    fn a_bad_question_is_answered_with_what_is_wrong() {
        let cases: [(&[&str], &str); 6] = [
            (
                &["0 99 * * *"],
                "cron expression: hours: `99` at position 3 is out of range 0-23",
            ),
            (&["0 0 31 2 *"], "never fires"),
            (
                &["@daily", "--zone", "Berlin"],
                "did you mean Europe/Berlin?",
            ),
            (&["@daily", "--after", "tomorrow"], "not a time of RFC 3339"),
            (&["@daily", "--count", "1001"], "1001 is not in 1..=1000"),
            (&[], "<EXPRESSION>"),
        ];
        for (arguments, expected) in cases {
            let error = ask(arguments).expect_err(expected);
            assert!(error.contains(expected), "{arguments:?}: {error}");
        }
        assert_eq!(ask(&["* * * * * ?"]).expect("valid").lines().count(), 13);
    }
}
