//! The machine's disk: during a very slow write every commit waits, and no node can help.
//!
//! A block is written and synchronised again and again next to the database's files. The watch is
//! outside the cluster: its times do not depend on the cluster's work, and the time of such a write
//! is the disk's, not a processor's.

use crate::micros::Micros;
use crate::testbed::now;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Pause between two writes.
const PAUSE: Duration = Duration::from_millis(50);
/// A longer write is a stall.
const STALL_MIN: Micros = 200_000;
/// The written block: the smallest write of PostgreSQL.
const BLOCK: [u8; 8_192] = [0; 8_192];

/// Watches a disk until it is dropped.
pub struct DiskWatch {
    is_over: Arc<AtomicBool>,
    stalls: Arc<Mutex<Vec<(Micros, Micros)>>>,
    thread: Option<JoinHandle<()>>,
}

impl DiskWatch {
    /// Watches the disk of a directory.
    pub fn begin(directory: &Path) -> io::Result<Self> {
        let file = File::create(directory.join("disk-watch"))?;
        // The block exists before the watch: later writes allocate nothing.
        file.write_all_at(&BLOCK, 0)?;
        file.sync_all()?;
        let (is_over, stalls) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(Mutex::new(Vec::new())),
        );
        let (over, seen) = (is_over.clone(), stalls.clone());
        let thread = thread::Builder::new()
            .name("disk-watch".to_owned())
            .spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let from = now();
                    // A disk that takes nothing at all is an error everywhere.
                    let written = file.write_all_at(&BLOCK, 0).and_then(|()| file.sync_data());
                    let until = now();
                    if written.is_ok() && until - from >= STALL_MIN {
                        seen.lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push((from, until));
                    }
                    thread::sleep(PAUSE);
                }
            })?;
        Ok(Self {
            is_over,
            stalls,
            thread: Some(thread),
        })
    }

    /// The stalls so far: from when until when a write took.
    pub fn stalls(&self) -> Vec<(Micros, Micros)> {
        self.stalls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for DiskWatch {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
