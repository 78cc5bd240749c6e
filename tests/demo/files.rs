//! The files: the watched directory, written the way an operator should write it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::harness::support::scratch::Scratch;

pub(crate) const CRD: &str = include_str!("files/crd.yaml");
const CONTRACT: &str = include_str!("files/contract.yaml");
const POLICY: &str = include_str!("files/policy.yaml");

/// What the first revision of the schema allows.
pub(crate) const REPLICAS_BEFORE: &str = "maximum: 50";

/// What the bad release makes of it. Going back loosens it again, which can't lose data.
pub(crate) const REPLICAS_AFTER: &str = "maximum: 2";

/// The watched directory and what fusegate writes beside it.
#[derive(Debug)]
pub(crate) struct Files {
    scratch: Scratch,
}

impl Files {
    /// A directory with everything but the objects.
    pub(crate) fn new() -> Result<Self> {
        let files = Self {
            scratch: Scratch::new("demo")?,
        };
        fs::create_dir(files.folder())?;
        files.write("crd.yaml", CRD)?;
        files.write("contract.yaml", CONTRACT)?;
        files.write("policy.yaml", POLICY)?;
        Ok(files)
    }

    /// The watched directory.
    pub(crate) fn folder(&self) -> PathBuf {
        self.scratch.path().join("watched")
    }

    /// Where fusegate writes its audit lines.
    pub(crate) fn audit(&self) -> PathBuf {
        self.scratch.path().join("audit.log")
    }

    /// Replaces a file whole.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<()> {
        write(&self.folder(), name, text)
    }

    /// The CRD as it stands.
    pub(crate) fn crd(&self) -> Result<String> {
        let path = self.folder().join("crd.yaml");
        fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    }

    /// Puts the second revision of the schema in place, as a release would.
    pub(crate) fn release(&self) -> Result<()> {
        self.write("crd.yaml", &CRD.replace(REPLICAS_BEFORE, REPLICAS_AFTER))
    }

    /// Every audit line that is written by now.
    pub(crate) fn audit_lines(&self) -> Result<Vec<Value>> {
        let text = fs::read_to_string(self.audit()).context("read the audit log")?;
        // The last one may be half written at this moment.
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        Ok(lines.collect())
    }

    /// The policy's status, as fusegate keeps it beside the files.
    pub(crate) fn policy_status(&self) -> Result<Value> {
        let path = self
            .folder()
            .join(".fusegate/status/CircuitPolicy.shop.storefronts.json");
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// How many revisions of the schema fusegate keeps.
    pub(crate) fn revisions(&self) -> Result<usize> {
        let folder = self
            .folder()
            .join(".fusegate/revisions/storefronts.shop.example.com");
        let entries =
            fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))?;
        Ok(entries.count())
    }
}

/// Writes beside, then renames: whoever reads sees all of the old or all of the new.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    let temporary = folder.join(format!(".{name}.new"));
    fs::write(&temporary, text).with_context(|| format!("write {}", temporary.display()))?;
    fs::rename(&temporary, folder.join(name)).with_context(|| format!("put {name} in place"))
}
