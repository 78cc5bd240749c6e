//! What a process uses, as Linux counts it.

use std::fs;
use std::time::Duration;

/// Linux counts CPU time in hundredths of a second for every program.
const TICK: Duration = Duration::from_millis(10);
/// What a process needs beside its connections.
const SPARE: usize = 256;

/// Resident memory.
pub(crate) fn resident_bytes(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kib: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1_024
}

/// CPU time of all threads, in the program and in the kernel for it.
pub(crate) fn cpu_time(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: u32 = fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap();
    TICK * ticks
}

/// A process may have so many connections, or the benchmark ends here.
pub(crate) fn check_open_files(streams: usize) {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    let (soft, needed): (usize, usize) = (soft.unwrap_or(usize::MAX), streams + SPARE);
    assert!(
        soft >= needed,
        "{streams} streams need {needed} open files in one process, and the limit is {soft}; run `ulimit -n {needed}` first"
    );
}
