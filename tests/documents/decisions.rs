//! The index of the decisions, and their place in the book.

use super::{assert_written, files, read};
use std::fmt::Write;

const INDEX: &str = "docs/decisions/index.md";
const SUMMARY: &str = "docs/SUMMARY.md";
/// The line of the summary above the decisions.
const HEADING: &str = "- [Decisions](decisions/index.md)\n";
const INTRODUCTION: &str = "# Decisions

Each page is one decision that other parts rely on: the context, the decision, its price, and the figures that decided. An accepted
decision is not edited; a later one supersedes it.

";

/// Number, title and file of each decision.
fn decisions() -> Vec<(String, String, String)> {
    let pages = files("docs/decisions", "md")
        .into_iter()
        .filter(|page| !page.ends_with("index.md"));
    let read_one = |page: std::path::PathBuf| {
        let text = read(&page);
        let heading = text.lines().next().unwrap().strip_prefix("# ").unwrap();
        let (_, title) = heading.split_once(['.', '·']).unwrap();
        let file = page.file_name().unwrap().to_str().unwrap().to_owned();
        (file[..4].to_owned(), title.trim().to_owned(), file)
    };
    pages.map(read_one).collect()
}

#[test]
fn the_index_and_the_book_have_each_decision() {
    let summary = read(SUMMARY);
    let (before, _) = summary.split_once(HEADING).unwrap();
    let mut index = INTRODUCTION.to_owned();
    let mut chapters = format!("{before}{HEADING}");
    for (number, title, file) in decisions() {
        writeln!(index, "- [{number}]({file}) {title}").unwrap();
        writeln!(chapters, "  - [{number} {title}](decisions/{file})").unwrap();
    }
    assert_written(INDEX, &index);
    assert_written(SUMMARY, &chapters);
}
