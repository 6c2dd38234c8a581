//! The log's writer: a bounded buffer, and a thread that writes to stderr.
//!
//! A log line must never stop, delay or end the work. A full disk and a closed reader make every
//! write fail; a reader that does not read makes every write wait. The threads of the program
//! therefore only put lines into a buffer: a line without room, or with a failed write, is dropped
//! and counted.
//!
//! The crate `tracing-appender` does not fit: it counts no failed writes, bounds lines and not
//! bytes, and prints to stdout at the exit: a panic, or a wait for a reader.

use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing_subscriber::fmt::MakeWriter;

/// Lines that were dropped since the process started.
pub const DROPPED: &str = "horolog_log_lines_dropped_total";
/// The buffer holds about this much.
const BUFFER_BYTES_MAX: usize = 1024 * 1024;
/// Time between two lines that say how many lines were dropped.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// The end of the log that the program writes to; clones share the buffer.
#[derive(Clone, Default)]
pub struct LogBuffer(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Whether the thread is writing a line.
    writing: bool,
    dropped: u64,
    /// How many of the dropped lines the log has mentioned.
    reported: u64,
    reported_at: Option<Instant>,
    /// Whether the thread is about to mention them: that line always finds room.
    reporting: bool,
}

impl LogBuffer {
    /// Starts the thread that writes to `out` for as long as the process lives.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let buffer = Self::default();
        let thread = buffer.clone();
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || thread.write_to(out))?;
        Ok(buffer)
    }

    /// Waits until all lines are written, at most this long. The process ends afterwards, and lines
    /// that could not be written are lost.
    pub fn flush(&self, longest: Duration) {
        let mut state = self.state();
        self.0
            .changed
            .wait_while_for(&mut state, State::is_unwritten, longest);
    }

    /// Lines that were dropped since the process started.
    pub fn dropped(&self) -> u64 {
        self.state().dropped
    }

    fn push(&self, line: &[u8]) {
        let mut state = self.state();
        if state.bytes + line.len() > BUFFER_BYTES_MAX && !state.reporting {
            state.count_dropped();
            return;
        }
        state.bytes += line.len();
        state.lines.push_back(line.to_vec());
        // The writer and `flush` wait on the same condition.
        self.0.changed.notify_all();
    }

    fn write_to(&self, mut out: impl Write) {
        loop {
            let line = self.next_line();
            // Without the lock: a reader that does not read must not stop the program.
            let written = out.write_all(&line).and_then(|()| out.flush());
            match self.end_line(written.is_ok()) {
                0 => {}
                dropped => {
                    tracing::warn!(
                        dropped,
                        "log lines were dropped: they could not be written, or not fast enough"
                    );
                    // The warning is in the buffer: `tracing` has called `push` on this thread.
                    self.state().reporting = false;
                }
            }
        }
    }

    fn next_line(&self) -> Vec<u8> {
        let mut state = self.state();
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.bytes -= line.len();
                state.writing = true;
                return line;
            }
            self.0.changed.wait(&mut state);
        }
    }

    /// The number of dropped lines that the log is to mention now.
    fn end_line(&self, written: bool) -> u64 {
        let mut state = self.state();
        state.writing = false;
        self.0.changed.notify_all();
        // A report would fail as well.
        if !written {
            state.count_dropped();
            return 0;
        }
        let unreported = state.dropped - state.reported;
        if unreported == 0
            || state
                .reported_at
                .is_some_and(|at| at.elapsed() < REPORT_INTERVAL)
        {
            return 0;
        }
        (state.reported, state.reported_at, state.reporting) =
            (state.dropped, Some(Instant::now()), true);
        unreported
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }
}

impl State {
    fn is_unwritten(&mut self) -> bool {
        self.writing || !self.lines.is_empty()
    }

    fn count_dropped(&mut self) {
        self.dropped += 1;
        metrics::counter!(DROPPED).absolute(self.dropped);
    }
}

/// One line of the log; it always succeeds.
pub struct LogLine<'a>(&'a LogBuffer);

impl Write for LogLine<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogBuffer {
    type Writer = LogLine<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LogLine(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// Writes when the test says how; what was written goes to the test.
    struct Gate {
        allow: Receiver<bool>,
        written: Sender<Vec<u8>>,
    }

    impl Write for Gate {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            match self.allow.recv() {
                Ok(true) => {
                    self.written.send(line.to_vec()).map_err(io::Error::other)?;
                    Ok(line.len())
                }
                _ => Err(io::ErrorKind::StorageFull.into()),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gate() -> (LogBuffer, Sender<bool>, Receiver<Vec<u8>>) {
        let ((allow, allowed), (written, lines)) = (channel(), channel());
        (
            LogBuffer::start(Gate {
                allow: allowed,
                written,
            })
            .unwrap(),
            allow,
            lines,
        )
    }

    #[test]
    fn a_writer_that_waits_costs_lines_and_no_time() {
        let (buffer, allow, lines) = gate();
        let line = vec![b'x'; 1024];
        let most = BUFFER_BYTES_MAX / line.len();
        for _ in 0..most * 2 {
            buffer.push(&line);
        }
        // The thread holds one line besides what is in the buffer.
        let kept = u64::try_from(most).unwrap();
        assert!(
            (kept - 1..=kept).contains(&buffer.dropped()),
            "{}",
            buffer.dropped()
        );
        buffer.flush(Duration::ZERO);
        allow.send(true).unwrap();
        assert_eq!(lines.recv().unwrap(), line);
    }

    #[test]
    fn a_line_that_cannot_be_written_is_counted_and_the_next_one_is_written() {
        let (buffer, allow, lines) = gate();
        buffer.push(b"lost");
        buffer.push(b"kept");
        allow.send(false).unwrap();
        allow.send(true).unwrap();
        assert_eq!(lines.recv().unwrap(), b"kept");
        assert_eq!(buffer.dropped(), 1);
        buffer.flush(Duration::from_mins(1));
        assert!(buffer.state().lines.is_empty());
    }
}
