//! `docs/reference/settings.md` from the declaration of the settings, `docs/reference/commands.md`
//! from the help of the program.

use super::{GENERATED, assert_written, cell, code, read};
use clap::{Arg, Args, Command};
use horolog::config::ServeConfig;
use std::fmt::Write;

const INTRODUCTION: &str = "# Settings

Flags and variables of `horolog serve`. [Configuration](../configuration.md) has the bounds and the relations between settings, and the
variables without a flag.

| flag | variable | default | meaning |
|---|---|---|---|
";

fn serve() -> Command {
    ServeConfig::augment_args(Command::new("serve"))
}

/// The help of a setting, and the default in its words.
fn help(argument: &Arg) -> (String, Option<String>) {
    let text = argument
        .get_long_help()
        .or_else(|| argument.get_help())
        .unwrap()
        .to_string();
    let Some((before, after)) = text.split_once("[default: ") else {
        return (text, None);
    };
    let (default, after) = after.split_once(']').unwrap();
    (
        format!("{}{after}", before.trim_end()),
        Some(default.to_owned()),
    )
}

fn row(argument: &Arg) -> String {
    let (help, described) = help(argument);
    let given: Vec<_> = argument
        .get_default_values()
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect();
    // A described default says more than an empty value.
    let default = described.unwrap_or_else(|| match given.as_slice() {
        [] | [""] => "none".to_owned(),
        values => values
            .iter()
            .map(|value| code(value))
            .collect::<Vec<_>>()
            .join(", "),
    });
    let flag = code(&format!("--{}", argument.get_long().unwrap()));
    let variable = code(argument.get_env().unwrap().to_str().unwrap());
    format!(
        "| {flag} | {variable} | {} | {} |\n",
        cell(&default),
        cell(&help)
    )
}

#[test]
fn the_settings_are_those_of_the_program() {
    let serve = serve();
    let settings = serve
        .get_arguments()
        .filter(|argument| !argument.is_hide_set() && argument.get_long().is_some());
    let rows: String = settings.map(row).collect();
    assert_written(
        "docs/reference/settings.md",
        &format!("{GENERATED}{INTRODUCTION}{rows}"),
    );
}

#[test]
fn the_page_of_the_configuration_names_settings_that_there_are() {
    let page = read("docs/configuration.md");
    let serve = serve();
    let flags: Vec<_> = serve.get_arguments().filter_map(Arg::get_long).collect();
    for flag in page
        .split("`--")
        .skip(1)
        .filter_map(|rest| rest.split(['`', ' ', '=']).next())
    {
        assert!(flags.contains(&flag), "--{flag}");
    }
}

fn printed(arguments: &[&str]) -> String {
    let program = env!("CARGO_BIN_EXE_horolog");
    // Values of variables would stand in the help.
    let output = std::process::Command::new(program)
        .args(arguments)
        .env_clear()
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The names of the commands in the help of the program or of a command.
fn commands(help: &str) -> Vec<&str> {
    let (_, list) = help.split_once("\nCommands:\n").unwrap_or_default();
    let (list, _) = list.split_once("\n\n").unwrap_or_default();
    let names = list
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    names.filter(|name| *name != "help").collect()
}

#[test]
fn the_commands_are_those_of_the_program() {
    let help = printed(&["--help"]);
    let mut page = format!("{GENERATED}# Commands\n\n```text\n{help}\n```\n");
    for command in commands(&help) {
        if command == "serve" {
            let text = "The options are the [settings](settings.md).";
            write!(page, "\n## horolog {command}\n\n{text}\n").unwrap();
            continue;
        }
        let help = printed(&[command, "--help"]);
        write!(page, "\n## horolog {command}\n\n```text\n{help}\n```\n").unwrap();
        for part in commands(&help) {
            let help = printed(&[command, part, "--help"]);
            write!(
                page,
                "\n### horolog {command} {part}\n\n```text\n{help}\n```\n"
            )
            .unwrap();
        }
    }
    assert!(
        page.contains("## horolog user create"),
        "commands of commands"
    );
    assert_written("docs/reference/commands.md", &page);
}
