//! The process: memory, files and paging of a replica.

use crate::doctor::finding::{Finding, Severity};
use crate::doctor::looks::Looks;

/// From which share of its limit on memory and files run out.
const NEAR: f64 = 0.85;

/// So many bytes that nothing uses are worth a word.
const IDLE: f64 = 134_217_728.0;

/// Page faults a second that went to a disk, from which on a process waits more than it works.
const PAGING: f64 = 100.0;

pub(super) fn process(looks: Looks<'_>, found: &mut Vec<Finding>) {
    memory(looks, found);
    allocator(looks, found);
    let samples = looks.now.samples;
    if let (Some(open), Some(most)) = (
        samples.sum("process_open_fds"),
        samples.sum("process_max_fds"),
    ) && open >= NEAR * most
    {
        let message = format!("{open} of {most} files are open");
        found.push(looks.find(
            Severity::Warning,
            "FilesNearLimit",
            message,
            "raise the limit of open files: each Envoy takes one",
        ));
    }
    if let Some(before) = looks.before {
        let rate =
            looks.grown_of("process_major_page_faults_total", "", &[]) / (looks.now.at - before.at);
        if rate > PAGING {
            let message = format!("{rate:.0} page faults a second read from a disk");
            found.push(looks.find(
                Severity::Warning,
                "Paging",
                message,
                "the node is short of memory: raise the pod's request",
            ));
        }
    }
}

fn allocator(looks: Looks<'_>, found: &mut Vec<Finding>) {
    let samples = looks.now.samples;
    let of = |state: &str| samples.sum_of("fusegate_allocator_bytes", "state", &[state]);
    let (used, resident) = (of("used"), of("resident"));
    if resident - used >= IDLE && resident >= 2.0 * used {
        let message =
            format!("the allocator holds {resident} bytes, of which the program uses {used}");
        found.push(looks.find(Severity::Warning, "MemoryNotReturned", message, "look again in a minute: after a burst it is given back within seconds; if it stays, memory is in pieces, and a restart of this replica returns it"));
    }
}

fn memory(looks: Looks<'_>, found: &mut Vec<Finding>) {
    let samples = looks.now.samples;
    // Up to version 0.1 nothing told files apart, which the kernel takes back first.
    let names = [
        "fusegate_cgroup_memory_needed_bytes",
        "fusegate_cgroup_memory_bytes",
    ];
    let Some(used) = names.into_iter().find_map(|name| samples.sum(name)) else {
        return;
    };
    let killed = looks.grown_of(
        "fusegate_cgroup_memory_events_total",
        "event",
        &["oom_kill"],
    );
    if killed > 0.0 {
        let message = format!(
            "the kernel killed {killed} processes of this pod for want of memory {}",
            looks.since()
        );
        found.push(looks.find(
            Severity::Critical,
            "OutOfMemory",
            message,
            "raise the memory limit; docs/operations.md has the figures for objects and Envoys",
        ));
    }
    let Some(limit) = samples.sum("fusegate_cgroup_memory_limit_bytes") else {
        let message = format!("nothing limits its memory; it uses {used} bytes");
        found.push(looks.find(Severity::Note, "NoMemoryLimit", message, "set resources.limits.memory, so that a leak ends in a restart of one pod and not in trouble for its node"));
        return;
    };
    if samples.sum("fusegate_memory_pressure") >= Some(2.0) {
        let message = format!(
            "memory is short, {used} of {limit} bytes are used: new objects and circuits are refused"
        );
        found.push(looks.find(Severity::Critical, "MemoryShort", message, "raise the memory limit, or find who creates so many objects; docs/operations.md has the figures for objects and Envoys"));
    } else if used >= NEAR * limit {
        let message = format!("{used} of {limit} bytes of memory are used");
        found.push(looks.find(Severity::Critical, "MemoryNearLimit", message, "raise the memory limit before the kernel kills it; docs/operations.md has the figures for objects and Envoys"));
    }
}
