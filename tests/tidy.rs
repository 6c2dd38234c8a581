//! The code itself: directions of imports, use of the database, length of files, and forbidden
//! marks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Most lines of one file.
const LINES_MAX: usize = 500;

/// Each room and the rooms that it may import; lower rooms come first. A room that is not listed
/// fails the test, so that it gets a place.
const ROOMS: [(&str, &[&str]); 18] = [
    ("safeguards", &[]),
    ("model", &["safeguards"]),
    ("clock", &["model"]),
    ("config", &["model", "safeguards"]),
    ("telemetry", &[]),
    ("threads", &[]),
    ("descriptors", &[]),
    ("traces", &["model"]),
    ("secrets", &["model"]),
    ("handlers", &["model", "secrets"]),
    ("store", &["model", "safeguards", "clock", "secrets"]),
    ("access", &["model", "threads", "store"]),
    (
        "actors",
        &[
            "model",
            "safeguards",
            "clock",
            "threads",
            "traces",
            "secrets",
            "handlers",
            "store",
            "access",
        ],
    ),
    (
        "api",
        &[
            "model", "clock", "threads", "traces", "secrets", "store", "access", "actors",
        ],
    ),
    (
        "http",
        &[
            "model",
            "clock",
            "config",
            "telemetry",
            "threads",
            "traces",
            "store",
            "access",
            "actors",
            "api",
        ],
    ),
    (
        "server",
        &[
            "model",
            "clock",
            "config",
            "descriptors",
            "telemetry",
            "threads",
            "secrets",
            "handlers",
            "store",
            "access",
            "actors",
            "api",
            "http",
        ],
    ),
    (
        "cli",
        &[
            "model",
            "safeguards",
            "clock",
            "config",
            "telemetry",
            "traces",
            "secrets",
            "handlers",
            "store",
            "access",
            "actors",
            "api",
            "http",
            "server",
        ],
    ),
    ("lib", &[]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below a directory, relative to the repository.
fn rust_files(directory: &str) -> Vec<(PathBuf, String)> {
    let mut directories = vec![root().join(directory)];
    let mut files = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "no Rust files in {directory}");
    files
}

/// Lines of code, without comments, and their numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
}

/// The room of a file: the first part of its path below `src`.
fn room(path: &Path) -> String {
    path.strip_prefix("src")
        .unwrap()
        .with_extension("")
        .iter()
        .next()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

/// The rooms that a line names after `crate::` (or `horolog::`, in the program),
/// also inside braces.
fn named_rooms(line: &str) -> BTreeSet<&str> {
    let paths = line.match_indices("::").filter_map(|(at, _)| {
        let from = line[..at]
            .rfind(|c: char| !c.is_alphanumeric() && c != '_')
            .map_or(0, |before| before + 1);
        matches!(&line[from..at], "crate" | "horolog").then_some(&line[at + 2..])
    });
    let name = |path: &str| {
        path.find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(path.len())
    };
    paths
        .flat_map(|path| match path.strip_prefix('{') {
            Some(group) => group
                .split(',')
                .map(str::trim)
                .map(|path| &path[..name(path)])
                .collect::<Vec<_>>(),
            None => vec![&path[..name(path)]],
        })
        .collect()
}

#[test]
fn imports_point_one_way() {
    let known: BTreeSet<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    let mut wrong = Vec::new();
    for (path, text) in rust_files("src") {
        let room = room(&path);
        if room == "main" {
            continue; // the program may know everything
        }
        let Some((_, may_know)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!(
                "{}: the room `{room}` has no place in tests/tidy.rs",
                path.display()
            ));
            continue;
        };
        for (number, line) in code(&text) {
            let rooms = named_rooms(line)
                .into_iter()
                .filter(|name| known.contains(name));
            for name in rooms.filter(|name| *name != room && !may_know.contains(name)) {
                wrong.push(format!(
                    "{}:{number}: {room} must not know {name}",
                    path.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_store_alone_knows_the_database() {
    let may = ["store"];
    let mut wrong = Vec::new();
    for (path, text) in rust_files("src") {
        if !may.contains(&room(&path).as_str()) {
            let crates = ["tokio_postgres::", "deadpool_postgres::", "refinery::"];
            let names =
                code(&text).filter(|(_, line)| crates.iter().any(|name| line.contains(name)));
            wrong
                .extend(names.map(|(number, line)| format!("{}:{number}: {line}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A name leads from a log line or `pg_stat_activity` to one statement.
#[test]
fn every_statement_has_a_name_of_its_own() {
    let mut seen: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (path, text) in rust_files("src/store") {
        for (at, _) in text.match_indices("\"-- ") {
            let name = text[at + 4..].split(['\n', '\\', '"']).next().unwrap();
            if let Some(other) = seen.insert(name.to_owned(), path.clone()) {
                wrong.push(format!(
                    "{name}: {} and {}",
                    other.display(),
                    path.display()
                ));
            }
        }
    }
    assert!(seen.len() > 200, "{} statements", seen.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The calls of the driver, and the names of its errors. The rest of the store sends a `Statement`,
/// so the name of a statement is the same in its text and in its errors.
#[test]
fn only_the_room_of_the_connections_sends_statements_by_hand() {
    let by_hand = [
        "prepare_cached(",
        "prepare_typed",
        "batch_execute(",
        "simple_query(",
        "query_raw(",
        "query_typed",
        // The same names with a `Statement` have no text here.
        ".prepare(\"",
        ".query(\"",
        ".query_opt(\"",
        ".query_one(\"",
        ".execute(\"",
    ];
    // The driver's words for a transaction have no text of ours, and are named where they stand.
    let named = [".begin\"", ".commit\"", ".rollback\""];
    let mut wrong = Vec::new();
    for (path, text) in rust_files("src/store") {
        if path.starts_with("src/store/db") {
            continue;
        }
        for (number, line) in code(&text) {
            let is_sent = by_hand.iter().any(|call| line.contains(call));
            let is_named = line
                .split_once(".during(\"")
                .is_some_and(|(_, name)| !named.iter().any(|end| name.contains(end)));
            if is_sent || is_named || line.contains(": &str = \"--") {
                wrong.push(format!("{}:{number}: {line}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_exceeds_the_line_limit() {
    let files = ["src", "crates", "tests", "loadtest", "protocol"]
        .into_iter()
        .flat_map(rust_files);
    let long = files.filter(|(_, text)| text.lines().count() > LINES_MAX);
    let long: Vec<_> = long
        .map(|(path, text)| format!("{}: {} lines", path.display(), text.lines().count()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn no_test_waits_for_time_to_pass() {
    let mut wrong = Vec::new();
    for (path, text) in rust_files("tests") {
        if !path.starts_with("tests/support") {
            let waits = code(&text).filter(|(_, line)| line.contains(concat!("sle", "ep(")));
            wrong
                .extend(waits.map(|(number, line)| format!("{}:{number}: {line}", path.display())));
        }
    }
    assert!(
        wrong.is_empty(),
        "use support::eventually:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn nothing_is_left_for_later_in_the_code() {
    let later = [
        concat!("to", "do!"),
        concat!("unimple", "mented!"),
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
    ];
    let mut wrong = Vec::new();
    for (path, text) in ["src", "crates", "tests", "loadtest", "protocol"]
        .into_iter()
        .flat_map(rust_files)
    {
        let lines = text
            .lines()
            .enumerate()
            .filter(|(_, line)| later.iter().any(|word| line.contains(word)));
        wrong
            .extend(lines.map(|(index, line)| format!("{}:{}: {line}", path.display(), index + 1)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_import_parser_finds_names_in_paths_and_braces() {
    assert_eq!(named_rooms("use crate::model::job::Job;"), ["model"].into());
    assert_eq!(
        named_rooms("use crate::{clock, store::Store};"),
        ["clock", "store"].into()
    );
    assert_eq!(
        named_rooms("fn f(a: crate::api::A, b: horolog::http::B)"),
        ["api", "http"].into()
    );
    assert_eq!(
        named_rooms("use subcrate::model; use std::fmt;"),
        BTreeSet::new()
    );
}

/// Other programs can use the crates: none of them knows the program.
#[test]
fn the_crates_do_not_know_the_program() {
    for (path, text) in rust_files("crates") {
        let known: Vec<_> = code(&text)
            .filter(|(_, line)| line.contains("horolog::"))
            .collect();
        assert!(known.is_empty(), "{}: {known:?}", path.display());
    }
    for manifest in [
        "crates/embedded-postgres/Cargo.toml",
        "crates/schedule/Cargo.toml",
    ] {
        let text = fs::read_to_string(root().join(manifest)).unwrap();
        assert!(
            !text.contains("path ="),
            "{manifest} depends on a crate of this repository"
        );
    }
}

/// The judges of the program share no code with it.
#[test]
fn the_drills_and_the_model_do_not_know_the_program() {
    for member in ["loadtest", "protocol"] {
        let manifest = fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap();
        let (_, dependencies) = manifest.split_once("[dependencies]").unwrap();
        let known = dependencies
            .lines()
            .filter(|line| line.starts_with("horolog") || line.contains("path ="));
        assert_eq!(known.collect::<Vec<_>>(), Vec::<&str>::new(), "{member}");
    }
}
