//! A history on disk: JSON lines, each written before the recorded action continues, so that a
//! crash of the harness loses nothing.

use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// A file of JSON lines.
pub struct Journal {
    file: Mutex<File>,
}

impl Journal {
    /// A new file; an earlier one of that name is an error.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .open(path)?;
        Ok(Self {
            file: Mutex::new(file),
        })
    }

    /// Appends a line. A journal that cannot be written ends the drill: a drill without a history
    /// proves nothing.
    ///
    /// # Panics
    /// When the disk is full or gone.
    pub fn append(&self, entry: &impl Serialize) {
        let mut line = serde_json::to_vec(entry).expect("a history is plain data");
        // One write for each line: a crash of the harness leaves whole lines.
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line).expect("the history can be written");
    }
}
