//! Links between documents, and from the sources to documents.

use super::{files, read, root};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// The lines of a page that are no code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// The anchor of a heading, as repository hosts and mdBook make it.
fn anchor(heading: &str) -> String {
    let kept = heading
        .trim()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// The anchors of a page; the second heading of a name has a number.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut times = BTreeMap::new();
    let headings = prose(text)
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#')));
    let numbered = headings.map(|anchor| {
        let time = times
            .entry(anchor.clone())
            .and_modify(|time| *time += 1)
            .or_insert(0);
        if *time == 0 {
            anchor
        } else {
            format!("{anchor}-{time}")
        }
    });
    numbered.collect()
}

fn links(text: &str) -> Vec<&str> {
    prose(text)
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split([')', ' ']).next())
        .collect()
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => assert!(plain.pop(), "{}", path.display()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

fn documents() -> Vec<PathBuf> {
    let mut documents: Vec<_> = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
        .map(PathBuf::from)
        .into();
    documents.extend(files("docs", "md"));
    documents.extend(files("examples", "md"));
    documents
}

/// Why a link leads nowhere, if it does.
fn fault(document: &Path, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => document.to_owned(),
        path => plain(&document.parent().unwrap().join(path)),
    };
    if !root().join(&target).is_file() {
        return Some("no such file".to_owned());
    }
    let is_page = target
        .extension()
        .is_some_and(|extension| extension == "md");
    if document.starts_with("docs") && is_page && !target.starts_with("docs") {
        return Some("a page outside the book is none of its pages".to_owned());
    }
    if document.starts_with("docs")
        && target.ends_with("README.md")
        && !document.ends_with("SUMMARY.md")
    {
        return Some("the book has this page under another name (index.html)".to_owned());
    }
    (!anchor.is_empty() && is_page && !anchors(&read(&target)).contains(anchor))
        .then(|| "no such heading".to_owned())
}

#[test]
fn every_link_of_a_document_leads_somewhere() {
    let mut wrong = Vec::new();
    for document in documents() {
        let text = read(&document);
        for link in links(&text) {
            wrong.extend(
                fault(&document, link)
                    .map(|fault| format!("{}: {link}: {fault}", document.display())),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_page_is_in_the_summary_of_the_book_once() {
    let summary = read("docs/SUMMARY.md");
    let mut listed: Vec<_> = links(&summary)
        .into_iter()
        .map(|link| Path::new("docs").join(link))
        .collect();
    listed.sort();
    let pages: Vec<_> = files("docs", "md")
        .into_iter()
        .filter(|page| !page.ends_with("SUMMARY.md"))
        .collect();
    assert_eq!(listed, pages);
}

/// Comments, scripts and manifests send their readers to pages.
#[test]
fn every_page_that_the_sources_name_is_there() {
    let folders = [
        ("src", "rs"),
        ("tests", "rs"),
        ("loadtest", "rs"),
        ("protocol", "rs"),
        ("benches", "rs"),
        ("migrations", "sql"),
        ("docs", "md"),
    ];
    let mut sources: Vec<_> = folders
        .iter()
        .flat_map(|(folder, extension)| files(folder, extension))
        .collect();
    sources.extend(
        [
            "README.md",
            "CONTRIBUTING.md",
            "CHANGELOG.md",
            "Makefile",
            "Cargo.toml",
        ]
        .map(PathBuf::from),
    );
    let mut wrong = Vec::new();
    for source in sources {
        let text = read(&source);
        let named = text.split("docs/").skip(1).map(|rest| {
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && !"-_./".contains(c))
                .unwrap_or(rest.len());
            rest[..end].trim_end_matches('.')
        });
        let missing = named.filter(|page| {
            Path::new(page)
                .extension()
                .is_some_and(|extension| extension == "md")
                && !root().join("docs").join(page).is_file()
        });
        wrong.extend(missing.map(|page| format!("{}: docs/{page}", source.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_anchor_is_what_repository_hosts_make_of_a_heading() {
    assert_eq!(
        anchor(" The node's `API`, in short "),
        "the-nodes-api-in-short"
    );
    assert_eq!(
        anchors("# A b\n```\n# no heading\n```\n## A b\n"),
        ["a-b".to_owned(), "a-b-1".to_owned()].into()
    );
    assert_eq!(
        links("a [b](c.md#d) [e](f)\n```\n[g](h)\n```"),
        ["c.md#d", "f"]
    );
    assert_eq!(
        fault(&Path::new("docs").join("a/b.md"), "../../README.md"),
        Some("a page outside the book is none of its pages".to_owned())
    );
    assert_eq!(
        fault(Path::new("docs/concepts.md"), "nowhere.md"),
        Some("no such file".to_owned())
    );
    assert_eq!(
        fault(Path::new("docs/concepts.md"), "#nowhere"),
        Some("no such heading".to_owned())
    );
    assert_eq!(fault(Path::new("docs/concepts.md"), "#terms"), None);
}
