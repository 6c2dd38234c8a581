//! A small disk for the database.

use anyhow::ensure;
use std::path::{Path, PathBuf};

/// A small disk; unmounted when dropped.
pub(super) struct SmallDisk {
    pub(super) directory: PathBuf,
}

impl SmallDisk {
    pub(super) fn mount(directory: &Path) -> Result<Self, anyhow::Error> {
        let directory = directory.join("disk");
        std::fs::create_dir(&directory)?;
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=160m,mode=0777", "horolog-drill"])
            .arg(&directory)
            .status()?;
        ensure!(mounted.success(), "cannot mount a small disk");
        Ok(Self { directory })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server that was just told to stop may still hold a file.
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(&self.directory)
            .status();
    }
}
