//! The file with the keys of a node (`--secrets-key-file`).

use super::keys::Keys;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Most bytes of the file: two keys and comments.
const BYTES_MAX: u64 = 4_096;
/// Most keys: the new key and the old key.
const KEYS_MAX: usize = 2;

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error("cannot read {path} (--secrets-key-file)")]
    Unreadable {
        /// Path of the file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// The file cannot be created.
    #[error("cannot create {path}")]
    NotCreated {
        /// Path of the file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// Other users of the machine may read or change the file.
    #[error(
        "{path} (--secrets-key-file) has the mode {mode:04o}: other users may use the keys; \
         chmod 0600 {path}"
    )]
    Open {
        /// Path of the file.
        path: PathBuf,
        /// Mode of the file.
        mode: u32,
    },
    /// The content is not one or two keys.
    #[error(
        "{path} (--secrets-key-file) must have one or two keys, a line each: 32 bytes in base64, \
         as `horolog secret create-key` writes them"
    )]
    NoKeys {
        /// Path of the file.
        path: PathBuf,
    },
}

impl Keys {
    /// Reads a key file. Lines that begin with `#` are comments.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let unreadable = |source| KeyFileError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).map_err(unreadable)?;
        // The mode of the open file: a moment later the path may lead to another one.
        refuse_open_to_others(path, &file.metadata().map_err(unreadable)?)?;
        let mut text = Zeroizing::new(String::new());
        // A path such as /dev/zero must not fill the memory.
        let read = (&mut file).take(BYTES_MAX).read_to_string(&mut text);
        read.map_err(unreadable)?;
        let lines: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        Some(lines)
            .filter(|lines| (1..=KEYS_MAX).contains(&lines.len()))
            .and_then(|lines| Self::of(&lines))
            .ok_or_else(|| KeyFileError::NoKeys {
                path: path.to_owned(),
            })
    }

    /// Creates a file with a new key, which no other user may read. An existing file stays.
    pub fn create_file(path: &Path) -> Result<Self, KeyFileError> {
        let key = Self::generate();
        OpenOptions::new()
            .write(true)
            // An overwritten key would leave its secrets unreadable for ever.
            .create_new(true)
            // From the first moment: a later change of the mode would leave a gap.
            .mode(0o600)
            .open(path)
            .and_then(|mut file| {
                file.write_all(format!("{}\n", *key).as_bytes())?;
                // A key lost in a crash of the machine takes the secrets with it.
                file.sync_all()
            })
            .map_err(|source| KeyFileError::NotCreated {
                path: path.to_owned(),
                source,
            })?;
        Self::read(path)
    }
}

/// The rule of libpq for private keys: 0600, or 0640 if root owns the file, as with secrets that
/// Kubernetes mounts for a group.
fn refuse_open_to_others(path: &Path, metadata: &Metadata) -> Result<(), KeyFileError> {
    let others = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    let mode = metadata.mode() & 0o777;
    if mode & others == 0 {
        return Ok(());
    }
    Err(KeyFileError::Open {
        path: path.to_owned(),
        mode,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    fn refusal(path: &Path) -> String {
        Keys::read(path).expect_err("refused").to_string()
    }

    #[test]
    fn a_key_file_is_for_its_owner_alone_and_has_one_or_two_keys() {
        let path = std::env::temp_dir().join(format!("horolog-keys-{}", std::process::id()));
        drop(fs::remove_file(&path));
        assert!(refusal(&path).contains("cannot read"));
        let keys = Keys::create_file(&path).expect("created");
        assert_eq!(fs::metadata(&path).expect("a file").mode() & 0o777, 0o600);
        assert!(Keys::create_file(&path).is_err(), "an existing file stays");
        let text = fs::read_to_string(&path).expect("readable");
        for mode in [0o644, 0o604, 0o660, 0o606, 0o700 | 0o002] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("own file");
            assert!(refusal(&path).contains(&format!("{mode:04o}")), "{mode:o}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o400)).expect("own file");
        let read = Keys::read(&path).expect("readable");
        assert_eq!(read.current(), keys.current());

        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("own file");
        let another = Keys::generate();
        fs::write(&path, format!("# new\n{}\n# old\n{text}", *another)).expect("own file");
        let both = Keys::read(&path).expect("two keys");
        assert!(both.knows(keys.current().expect("a key")) && both.current() != keys.current());
        for text in [
            String::new(),
            "# nothing\n".to_owned(),
            "not base64".to_owned(),
            text.repeat(3),
            format!("{text}x"),
        ] {
            fs::write(&path, &text).expect("own file");
            let refusal = refusal(&path);
            assert!(refusal.contains("one or two keys"), "{refusal}");
        }
        fs::remove_file(&path).expect("own file");
    }
}
