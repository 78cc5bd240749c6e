//! The process: its memory, files and page faults, and what its cgroup says, read anew for each scrape.
//!
//! The first carry the names that all exporters give them, the cgroup's begin with `fusegate_cgroup_memory`.
//! What the system does not tell is left out.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use procfs::process::{LimitValue, Process as Own};
use procfs::{page_size, ticks_per_second};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Where version 2 of control groups is mounted, which a container sees from its own group on.
const CGROUPS: &str = "/sys/fs/cgroup";

/// The events of a cgroup's memory that are told.
const EVENTS: [&str; 4] = ["high", "max", "oom", "oom_kill"];

/// Reads them.
#[derive(Debug)]
pub(super) struct Process {
    /// The cgroup's folder; none outside version 2.
    cgroup: Option<PathBuf>,
}

impl Process {
    pub(super) fn find() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").ok();
        Self::in_group(Path::new(CGROUPS), groups.as_deref())
    }

    fn in_group(mount: &Path, groups: Option<&str>) -> Self {
        let mut own = groups.unwrap_or_default().lines();
        let path = own.find_map(|line| line.strip_prefix("0::/"));
        let folder = path.map(|path| mount.join(path));
        Self {
            cgroup: folder.filter(|folder| folder.join("memory.current").exists()),
        }
    }

    fn group_file(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.cgroup.as_ref()?.join(name)).ok()
    }
}

impl Collector for Process {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        if let Ok(stat) = Own::myself().and_then(|own| own.stat()) {
            let ticks = ticks_per_second();
            #[allow(clippy::cast_precision_loss, reason = "seconds")]
            let cpu = (stat.utime + stat.stime) as f64 / ticks as f64;
            counter(
                &mut to,
                "process_cpu_seconds",
                "Seconds of CPU, of the user and the system",
                cpu,
            )?;
            gauge(
                &mut to,
                "process_resident_memory_bytes",
                "Resident memory",
                stat.rss * page_size(),
            )?;
            counter(
                &mut to,
                "process_major_page_faults",
                "Page faults that read from a disk",
                stat.majflt,
            )?;
        }
        if let Ok(own) = Own::myself() {
            if let Ok(open) = own.fd_count() {
                gauge(&mut to, "process_open_fds", "Open files", open as u64)?;
            }
            if let Ok(limits) = own.limits()
                && let LimitValue::Value(most) = limits.max_open_files.soft_limit
            {
                gauge(
                    &mut to,
                    "process_max_fds",
                    "The most files that may be open",
                    most,
                )?;
            }
        }
        self.encode_cgroup(&mut to)
    }
}

impl Process {
    fn encode_cgroup(&self, to: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let number = |name| self.group_file(name)?.trim().parse::<u64>().ok();
        if let Some(used) = number("memory.current") {
            gauge(
                to,
                "fusegate_cgroup_memory_bytes",
                "Memory of the cgroup, files in the page cache included",
                used,
            )?;
        }
        // Without a limit it says `max`.
        if let Some(limit) = number("memory.max") {
            gauge(
                to,
                "fusegate_cgroup_memory_limit_bytes",
                "The most memory that the cgroup may use",
                limit,
            )?;
        }
        let Some(events) = self.group_file("memory.events") else {
            return Ok(());
        };
        let counts: Vec<(&str, u64)> = events
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter(|(event, _)| EVENTS.contains(event))
            .filter_map(|(event, count)| Some((event, count.trim().parse().ok()?)))
            .collect();
        if counts.is_empty() {
            return Ok(());
        }
        let counter = ConstCounter::new(0_u64).metric_type();
        let name = "fusegate_cgroup_memory_events";
        let mut metric = to.encode_descriptor(
            name,
            "How often the cgroup's memory met a limit, by event",
            None,
            counter,
        )?;
        for (event, count) in counts {
            let labels = [("event", event)];
            ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn gauge(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: u64,
) -> Result<(), fmt::Error> {
    let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    gauge.encode(to.encode_descriptor(name, help, None, gauge.metric_type())?)
}

fn counter<N>(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: N,
) -> Result<(), fmt::Error>
where
    ConstCounter<N>: EncodeMetric,
{
    let counter = ConstCounter::new(value);
    counter.encode(to.encode_descriptor(name, help, None, counter.metric_type())?)
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    fn text(process: Process) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(process));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn a_cgroup_tells_its_memory_and_limit() {
        let mount = tempfile::tempdir().unwrap();
        let group = mount.path().join("pods/one");
        fs::create_dir_all(&group).unwrap();
        fs::write(group.join("memory.current"), "1048576\n").unwrap();
        fs::write(group.join("memory.max"), "2097152\n").unwrap();
        fs::write(
            group.join("memory.events"),
            "low 0\nhigh 1\nmax 7\noom 2\noom_kill 1\n",
        )
        .unwrap();
        let groups = Some("1:name=systemd:/\n0::/pods/one\n");
        let text = text(Process::in_group(mount.path(), groups));
        for line in [
            "fusegate_cgroup_memory_bytes 1048576",
            "fusegate_cgroup_memory_limit_bytes 2097152",
            r#"fusegate_cgroup_memory_events_total{event="oom_kill"} 1"#,
            r#"fusegate_cgroup_memory_events_total{event="max"} 7"#,
        ] {
            assert!(
                text.lines().any(|told| told == line),
                "{line} is not in\n{text}"
            );
        }
    }

    #[test]
    fn a_cgroup_without_a_limit_tells_none() {
        let mount = tempfile::tempdir().unwrap();
        fs::write(mount.path().join("memory.current"), "1\n").unwrap();
        fs::write(mount.path().join("memory.max"), "max\n").unwrap();
        let text = text(Process::in_group(mount.path(), Some("0::/\n")));
        assert!(text.contains("fusegate_cgroup_memory_bytes 1\n"), "{text}");
        assert!(!text.contains("limit"), "{text}");
    }

    #[test]
    fn a_process_tells_its_own_memory_and_files() {
        let text = text(Process::in_group(Path::new("/nowhere"), None));
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("{name} is not in\n{text}"))
                .trim()
                .parse()
                .unwrap()
        };
        assert!(value("process_resident_memory_bytes ") > 1e6);
        assert!(value("process_open_fds ") >= 3.0);
        assert!(value("process_max_fds ") >= value("process_open_fds "));
        assert!(value("process_cpu_seconds_total ") >= 0.0);
        assert!(!text.contains("cgroup"));
    }
}
