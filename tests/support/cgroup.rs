//! A control group of a test's own with a limit of memory, on machines that let us make one.

use std::{fs, path::PathBuf, process};

use anyhow::{Context as _, Result};

const MOUNT: &str = "/sys/fs/cgroup";

/// What it takes, for whoever reads why a test did not run.
pub(crate) const NEEDS: &str = "a control group with a limit of memory: root, and version 1 with its memory controller, or \
     version 2 where the group above this one delegates memory (cgroup.subtree_control)";

/// The group; it is removed when this is dropped, which must be after the programs in it.
#[derive(Debug)]
pub(crate) struct MemoryGroup {
    folder: PathBuf,
    counts: &'static str,
}

impl MemoryGroup {
    /// A group that may have so many bytes; `None` where the machine lets us make none.
    pub(crate) fn make(bytes: u64) -> Result<Option<Self>> {
        let groups = fs::read_to_string("/proc/self/cgroup")?;
        let name = format!("fusegate-test-{}", process::id());
        let path = |line: &str| line.splitn(3, ':').nth(2).map(str::to_owned);
        let mut lines = groups.lines();
        let one = lines.find(|line| line.split(':').nth(1) == Some("memory"));
        let (folder, limits, counts) = if let Some(own) = one.and_then(path) {
            // Below our own, so that what holds for us holds for it.
            let own = PathBuf::from(format!("{MOUNT}/memory{own}"));
            let limits: &[&str] = &["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"];
            (own.join(name), limits, "memory.oom_control")
        } else {
            // Beside our own, since a group of version 2 with programs in it has no groups below.
            let own = groups.lines().find_map(|line| line.strip_prefix("0::"));
            let own = PathBuf::from(format!("{MOUNT}{}", own.unwrap_or("/")));
            let above = own.parent().unwrap_or(&own).to_owned();
            let delegated = fs::read_to_string(above.join("cgroup.subtree_control"));
            if !delegated.is_ok_and(|names| names.split_whitespace().any(|name| name == "memory")) {
                return Ok(None);
            }
            let limits: &[&str] = &["memory.max", "memory.swap.max"];
            (above.join(name), limits, "memory.events")
        };
        if fs::create_dir(&folder).is_err() {
            return Ok(None);
        }
        let made = Self { folder, counts };
        let [memory, swap] = limits else {
            return Ok(None);
        };
        fs::write(made.folder.join(memory), bytes.to_string())
            .with_context(|| format!("limit {}", made.folder.display()))?;
        // Together with swap in version 1, swap alone in version 2; absent where there is no swap.
        let most = if *swap == "memory.swap.max" { 0 } else { bytes };
        let _ = fs::write(made.folder.join(swap), most.to_string());
        Ok(Some(made))
    }

    /// What starts a program within it.
    pub(crate) fn wrap(&self) -> Vec<String> {
        let enter = format!(
            "echo $$ > {}/cgroup.procs && exec \"$@\"",
            self.folder.display()
        );
        ["sh", "-c", &enter, "sh"].map(str::to_owned).to_vec()
    }

    /// How many programs in it the kernel has killed for want of memory.
    pub(crate) fn kills(&self) -> Result<u64> {
        let text = fs::read_to_string(self.folder.join(self.counts))?;
        let mut counts = text
            .lines()
            .filter_map(|line| line.strip_prefix("oom_kill "));
        Ok(counts.next().context("no count of kills")?.parse()?)
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // Programs may still be in it if the test failed early; then it stays, empty of memory.
        let _ = fs::remove_dir(&self.folder);
    }
}
