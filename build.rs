//! Rebuilds when a migration is added, or the dashboard was built again:
//! `embed_migrations!` and `RustEmbed` track the files they know, not new ones.
//! Names the build for `horolog --version`.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=migrations");
    // A path that is not there would make every build a full one. It stays
    // empty until `make dashboard`; where it cannot be made, nothing is built either.
    drop(std::fs::create_dir_all("static/dist"));
    println!("cargo:rerun-if-changed=static/dist");
    // Cargo also gives it to programs that it runs: the prefix HOROLOG_ would make it a setting.
    println!("cargo:rustc-env=LONG_VERSION={}", build());
}

/// The version, and what tells two builds of it apart: `0.1.0 (commit 3112332e3903, no features)`.
fn build() -> String {
    let version = std::env::var("CARGO_PKG_VERSION").expect("cargo sets it");
    let features: Vec<&str> = [
        ("CARGO_FEATURE_FAULT_INJECTION", "fault-injection"),
        ("CARGO_FEATURE_OTEL", "otel"),
    ]
    .into_iter()
    .filter_map(|(variable, name)| std::env::var_os(variable).map(|_| name))
    .collect();
    let features = match features.as_slice() {
        [] => "no features".to_owned(),
        some => format!("features {}", some.join(", ")),
    };
    format!("{version} ({}, {features})", commit())
}

/// `commit …`, by the packager, by the package of cargo, or by git; `development build` where a
/// commit would be out of date, and `unknown commit` where none of them is there.
fn commit() -> String {
    println!("cargo:rerun-if-env-changed=HOROLOG_COMMIT");
    let given = std::env::var("HOROLOG_COMMIT")
        .ok()
        .filter(|given| !given.is_empty());
    if let Some(commit) = given.or_else(packaged) {
        return format!("commit {commit:.12}");
    }
    // Every commit would build the program again.
    if std::env::var("PROFILE").is_ok_and(|profile| profile != "release") {
        return "development build".to_owned();
    }
    committed().map_or_else(
        || "unknown commit".to_owned(),
        |commit| format!("commit {commit}"),
    )
}

/// The commit in a package made by `cargo package`.
fn packaged() -> Option<String> {
    let info = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = info.split_once("\"sha1\": \"")?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// The commit of the work tree, with `+` if tracked files differ from it.
fn committed() -> Option<String> {
    // Sources without a repository may lie inside another one.
    let top = git(&["rev-parse", "--show-toplevel"])?;
    let here = std::env::current_dir().ok()?.canonicalize().ok()?;
    if Path::new(&top).canonicalize().ok()? != here {
        return None;
    }
    // What differs from the commit is built anyway.
    for path in ["src", "crates", "Cargo.toml", "Cargo.lock"] {
        println!("cargo:rerun-if-changed={path}");
    }
    // A commit, and a checkout.
    for file in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", file])?;
        if Path::new(&path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(commit + if changes.is_empty() { "" } else { "+" })
}

/// What git prints; none where there is no git or no repository.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
