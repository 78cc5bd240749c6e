//! The memory of this process's control group: how much is used, how much may be, and what came of it.
//!
//! Both versions of control groups are read: version 1 is what older nodes of Kubernetes still have.

pub mod pressure;

use std::fs;
use std::path::{Path, PathBuf};

/// Where control groups are mounted, which a container sees from its own group on.
const MOUNT: &str = "/sys/fs/cgroup";

/// Version 1 has no word for "no limit", but a number near the end of 64 bits.
const NO_LIMIT: u64 = 1 << 62;

/// The events that are told, as version 2 names them.
const EVENTS: [&str; 4] = ["high", "max", "oom", "oom_kill"];

/// The control group of this process.
#[derive(Clone, Debug)]
pub struct Group {
    folder: PathBuf,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Group {
    /// The group of this process, if the system measures its memory.
    #[must_use]
    pub fn own() -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        Self::of(Path::new(MOUNT), &groups)
    }

    /// The group that `/proc/self/cgroup` names. A container may see the name that its group has on the node, while
    /// only the group itself is mounted.
    #[must_use]
    pub fn of(mount: &Path, groups: &str) -> Option<Self> {
        let found = groups.lines().filter_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            let (root, version) = match controllers {
                "" => (mount.to_owned(), Version::Two),
                _ if controllers.split(',').any(|name| name == "memory") => {
                    (mount.join("memory"), Version::One)
                }
                _ => return None,
            };
            let named = root.join(path.trim_start_matches('/'));
            let mut folders = [named, root].into_iter();
            let folder = folders.find(|folder| folder.join(version.used()).exists())?;
            Some(Self { folder, version })
        });
        found.max_by_key(|group| group.version == Version::Two)
    }

    /// The bytes that are charged to it, files in the page cache included.
    #[must_use]
    pub fn charged(&self) -> Option<u64> {
        self.number(self.version.used())
    }

    /// The bytes that it needs: without what of files was not used lately, which the kernel takes back before it kills.
    /// This is what `kubectl top` shows.
    #[must_use]
    pub fn needed(&self) -> Option<u64> {
        let idle = match self.version {
            Version::One => "total_inactive_file",
            Version::Two => "inactive_file",
        };
        let idle = self.entry("memory.stat", idle).unwrap_or_default();
        Some(self.charged()?.saturating_sub(idle))
    }

    /// The most bytes that it may have, or from which on it is slowed down; `None` without a limit.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        match self.version {
            Version::One => self
                .entry("memory.stat", "hierarchical_memory_limit")
                .filter(|limit| *limit < NO_LIMIT),
            // Without a limit they say `max`.
            Version::Two => ["memory.max", "memory.high"]
                .into_iter()
                .filter_map(|name| self.number(name))
                .min(),
        }
    }

    /// How often a limit was met, and what the kernel did then.
    #[must_use]
    pub fn events(&self) -> Vec<(&'static str, u64)> {
        let count = |event: &'static str| match (self.version, event) {
            (Version::Two, _) => self.entry("memory.events", event),
            (Version::One, "max") => self.number("memory.failcnt"),
            (Version::One, "oom_kill") => self.entry("memory.oom_control", event),
            (Version::One, _) => None,
        };
        let told = EVENTS.into_iter();
        told.filter_map(|event| Some((event, count(event)?)))
            .collect()
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.folder.join(name)).ok()
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.read(name)?.trim().parse().ok()
    }

    /// The number behind a word, in a file of such lines.
    fn entry(&self, file: &str, word: &str) -> Option<u64> {
        let text = self.read(file)?;
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        let (_, number) = lines.find(|(name, _)| *name == word)?;
        number.trim().parse().ok()
    }
}

impl Version {
    fn used(self) -> &'static str {
        match self {
            Self::One => "memory.usage_in_bytes",
            Self::Two => "memory.current",
        }
    }
}

#[cfg(test)]
mod tests;
