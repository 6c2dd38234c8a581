//! Words that the glossary has banned: in comments, names, texts of the program, SQL and documents.
//!
//! `tests/data/banned_words.tsv` has a line for each: the word or phrase, what to write instead,
//! and how often it may still occur. The count only shrinks: `UPDATE=1` writes lower ones.

use super::{assert_written, files, read, root};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const LIST: &str = "tests/data/banned_words.tsv";
/// Directories, and the extensions of their files. A directory that does not exist has no words.
const SOURCES: [(&str, &[&str]); 12] = [
    ("benches", &["rs"]),
    ("crates", &["rs"]),
    ("deploy", &["json", "yml"]),
    ("docs", &["md"]),
    ("examples", &["md", "mjs", "py", "rs"]),
    ("fuzz/src", &["rs"]),
    ("loadtest", &["rs", "toml"]),
    ("migrations", &["sql"]),
    ("protocol", &["rs"]),
    ("src", &["rs"]),
    ("static/src", &["graphql", "ts", "tsx"]),
    ("tests", &["rs"]),
];
const FILES: [&str; 8] = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.toml",
    "Dockerfile",
    "Makefile",
    "README.md",
    "docker-compose.yml",
    "schema.graphql",
];
/// Its last column has the words of older commits.
const GLOSSARY: &str = "docs/glossary.md";
/// Places that a failure names.
const PLACES_MAX: usize = 10;

/// A line of the list.
struct Banned {
    word: String,
    instead: String,
    allowed: usize,
}

impl Banned {
    fn read(line: &str) -> Self {
        let columns: Vec<_> = line.split('\t').collect();
        let [word, instead, allowed] = columns[..] else {
            panic!("{LIST}: no three columns: {line}");
        };
        Self {
            word: word.to_owned(),
            instead: instead.to_owned(),
            allowed: allowed.parse().unwrap(),
        }
    }

    /// A word of prose is banned in any case, a name as it is written.
    fn is_prose(&self) -> bool {
        let is_of_prose = |c: char| c.is_ascii_lowercase() || matches!(c, ' ' | '-');
        self.word.chars().all(is_of_prose)
    }

    /// Offsets in a text, as a whole word.
    fn find(&self, text: &Text) -> Vec<usize> {
        let source = if self.is_prose() {
            &text.lower
        } else {
            &text.joined
        };
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        source
            .match_indices(&self.word)
            .filter(|(at, word)| {
                let before = source[..*at].chars().next_back();
                let after = source[at + word.len()..].chars().next();
                !before.is_some_and(is_part) && !after.is_some_and(is_part)
            })
            .map(|(at, _)| at)
            .collect()
    }
}

/// A file without its line breaks and marks of comments, so that a phrase may span two lines.
struct Text {
    joined: String,
    lower: String,
    /// Offset of each line.
    lines: Vec<usize>,
}

impl Text {
    fn of(path: &Path, source: &str) -> Self {
        let mut joined = String::new();
        let mut lines = Vec::new();
        for line in source.lines() {
            lines.push(joined.len());
            let line = line
                .trim()
                .trim_start_matches(['/', '!', '-', '*', '#'])
                .trim_end_matches('\\')
                .trim();
            let is_row = path == Path::new(GLOSSARY) && line.starts_with('|');
            let shown = if is_row {
                without_last_cell(line)
            } else {
                line
            };
            joined.push_str(shown);
            joined.push(' ');
        }
        let lower = joined.to_ascii_lowercase();
        Self {
            joined,
            lower,
            lines,
        }
    }

    fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset)
    }
}

fn without_last_cell(row: &str) -> &str {
    let row = row.trim_end_matches('|');
    row.rsplit_once('|').map_or(row, |(rest, _)| rest)
}

fn texts() -> Vec<(PathBuf, Text)> {
    let of_sources = SOURCES.into_iter().flat_map(|(directory, extensions)| {
        let is_there = root().join(directory).is_dir();
        let extensions = extensions.iter().filter(move |_| is_there);
        extensions.flat_map(move |extension| files(directory, extension))
    });
    of_sources
        .chain(FILES.map(PathBuf::from))
        .map(|path| {
            let text = Text::of(&path, &read(&path));
            (path, text)
        })
        .collect()
}

#[test]
fn banned_words_do_not_come_back() {
    let texts = texts();
    let mut list = String::new();
    let mut wrong = String::new();
    for line in read(LIST).lines() {
        if line.starts_with('#') {
            writeln!(list, "{line}").unwrap();
            continue;
        }
        let banned = Banned::read(line);
        let places: Vec<_> = texts
            .iter()
            .flat_map(|(path, text)| {
                let found = banned.find(text);
                found
                    .into_iter()
                    .map(move |at| format!("  {}:{}", path.display(), text.line(at)))
            })
            .collect();
        let (found, allowed) = (places.len(), banned.allowed);
        writeln!(
            list,
            "{}\t{}\t{}",
            banned.word,
            banned.instead,
            found.min(allowed)
        )
        .unwrap();
        if found > allowed {
            writeln!(
                wrong,
                "`{}` occurs {found} times, at most {allowed} are allowed. Write: {}\n{}",
                banned.word,
                banned.instead,
                places[..places.len().min(PLACES_MAX)].join("\n")
            )
            .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_written(LIST, &list);
}

#[test]
fn a_phrase_is_found_over_the_end_of_a_line_and_a_name_only_as_it_is_written() {
    let source = "/// An older\n/// word. Ünder\nfn word_of() {}\nlet oldName = oldname;";
    let text = Text::of(Path::new("a.rs"), source);
    let lines = |word: &str| {
        let banned = Banned::read(&format!("{word}\tx\t0"));
        let found = banned.find(&text).into_iter();
        found.map(|at| text.line(at)).collect::<Vec<_>>()
    };

    assert_eq!(lines("older word"), [1]);
    assert_eq!(lines("word"), [2]);
    assert_eq!(lines("oldName"), [4]);
}
