//! The process: its memory, files and page faults, and what its cgroup says, read anew for each scrape.
//!
//! The first carry the names that all exporters give them, the cgroup's begin with `fusegate_cgroup_memory`.
//! What the system does not tell is left out.

use std::fmt;

use procfs::process::{LimitValue, Process as Own};
use procfs::{page_size, ticks_per_second};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::runtime::memory::Group;

/// Reads them.
#[derive(Debug)]
pub(super) struct Process {
    /// Where the system has one.
    group: Option<Group>,
}

impl Process {
    pub(super) fn find() -> Self {
        let group = Group::own();
        Self { group }
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
        self.encode_group(&mut to)
    }
}

impl Process {
    fn encode_group(&self, to: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(group) = &self.group else {
            return Ok(());
        };
        let gauges = [
            (
                "fusegate_cgroup_memory_bytes",
                "Memory of the cgroup, files in the page cache included",
                group.charged(),
            ),
            (
                "fusegate_cgroup_memory_needed_bytes",
                "Memory of the cgroup without files that were not used lately, which the kernel takes back first",
                group.needed(),
            ),
            (
                "fusegate_cgroup_memory_limit_bytes",
                "The most memory that the cgroup may use",
                group.limit(),
            ),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                gauge(to, name, help, value)?;
            }
        }
        let counts = group.events();
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
        let files = [
            ("memory.current", "1048576\n"),
            ("memory.max", "2097152\n"),
            ("memory.stat", "inactive_file 48576\n"),
            ("memory.events", "low 0\nhigh 1\nmax 7\noom 2\noom_kill 1\n"),
        ];
        for (name, text) in files {
            std::fs::write(mount.path().join(name), text).unwrap();
        }
        let group = Group::of(mount.path(), "0::/\n");
        assert!(group.is_some());
        let text = text(Process { group });
        for line in [
            "fusegate_cgroup_memory_bytes 1048576",
            "fusegate_cgroup_memory_needed_bytes 1000000",
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
    fn a_process_tells_its_own_memory_and_files() {
        let text = text(Process { group: None });
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
