//! Usage: the CPU time and the memory of the process.

use crate::store::queries::load::Usage;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// The counts of the system. Memory: Linux only.
pub(super) fn usage() -> Usage {
    Usage {
        cpu: cpu_time(),
        memory_bytes: resident_bytes(),
    }
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// "VmRSS:     12345 kB".
fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1_024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_used_time_and_memory() {
        let usage = usage();
        assert!(usage.cpu > Duration::ZERO);
        assert!(
            usage.memory_bytes.is_some_and(|bytes| bytes > 1_000_000),
            "{usage:?}"
        );
    }
}
