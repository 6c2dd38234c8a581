//! Texts of the program that documents quote.

use super::{files, read};

/// Shorter fragments stand somewhere by chance.
const FRAGMENT_MIN: usize = 8;

/// The sources, with continued text literals joined into one line.
fn sources() -> String {
    let mut text = String::new();
    for file in [files("src", "rs"), files("crates", "rs")].concat() {
        let source = read(file);
        let mut lines = source.lines();
        while let Some(line) = lines.next() {
            let mut line = line.to_owned();
            while line.ends_with('\\') {
                line.pop();
                line.push_str(lines.next().unwrap().trim_start());
            }
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

/// What a quoted log line has of the program's own: without values, which stand for `…`, `N`, and
/// after `name=`.
fn fragments(quoted: &str) -> Vec<&str> {
    let parts = quoted
        .split(['…', '('])
        .flat_map(|part| part.split("N "))
        .map(str::trim);
    let words = parts.map(|part| {
        part.find('=').map_or(part, |at| {
            part[..at].rfind(' ').map_or("", |space| &part[..space])
        })
    });
    words
        .map(|part| part.trim_end_matches([':', ' ']))
        .filter(|part| part.len() >= FRAGMENT_MIN)
        .collect()
}

#[test]
fn every_log_line_that_is_explained_is_written_by_the_program() {
    let sources = sources();
    let page = read("docs/troubleshooting.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let mut seen = 0;
    for row in rows {
        let first = row.trim_start_matches("| ").split(" |").next().unwrap();
        for fragment in first.split('`').skip(1).step_by(2).flat_map(fragments) {
            assert!(
                sources.contains(fragment),
                "docs/troubleshooting.md: no log line has `{fragment}`"
            );
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} log lines");
}

#[test]
fn a_fragment_has_no_values() {
    assert_eq!(
        fragments("broken states repaired repairs=…"),
        ["broken states repaired"]
    );
    assert_eq!(
        fragments("N jobs rest, the last of them until …"),
        ["jobs rest, the last of them until"]
    );
    assert_eq!(
        fragments("refused an old primary …"),
        ["refused an old primary"]
    );
}
