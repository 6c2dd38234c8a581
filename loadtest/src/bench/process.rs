//! Resources of processes, by Linux's `/proc`; other systems have no figures.

/// CPU seconds of a process so far.
pub(super) fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = stat(pid)?;
    // `utime` and `stime` of proc(5), where the state is field 3.
    let ticks: u64 = stat.get(11)?.parse::<u64>().ok()? + stat.get(12)?.parse::<u64>().ok()?;
    let ticks = f64::from(u32::try_from(ticks).ok()?);
    let a_second = f64::from(u32::try_from(rustix::param::clock_ticks_per_second()).ok()?);
    Some(ticks / a_second)
}

/// The parent of a process.
pub(super) fn parent(pid: u32) -> Option<u32> {
    stat(pid)?.get(1)?.parse().ok()
}

/// CPU seconds of the children of a process: of a PostgreSQL server, sessions and workers.
pub(super) fn cpu_seconds_of_children(parent_pid: u32) -> Option<f64> {
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    Some(
        ids.filter(|pid| parent(*pid) == Some(parent_pid))
            .filter_map(cpu_seconds)
            .sum(),
    )
}

/// Resident memory of a process, MB.
pub(super) fn resident_mb(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kb: u32 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(f64::from(kb) / 1024.0)
}

/// The fields behind the name, which may hold any character: the state is number 0.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_a_parent_and_uses_memory() {
        let own = std::process::id();
        assert!(cpu_seconds(own).is_some() && resident_mb(own).is_some_and(|mb| mb > 1.0));
        assert_eq!(parent(own), Some(std::os::unix::process::parent_id()));
        assert_eq!(cpu_seconds(u32::MAX), None);
    }
}
