//! A scratch folder: where one server keeps its data, configuration and log, removed when the server is dropped.
//!
//! A server that lives in a static is never dropped, and a test that is killed drops nothing.
//! So each folder is locked for as long as its process lives, and the first folder that a process makes
//! removes those that nobody holds any more.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Once,
};

use anyhow::{Context, Result};
use tempfile::TempDir;

const PREFIX: &str = "fusegate-test-";
const LOCK: &str = ".lock";

/// A folder of our own, locked for as long as it is in use.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes an empty folder whose name tells which server it belongs to.
    pub(crate) fn new(name: &str) -> Result<Self> {
        static SWEEP: Once = Once::new();
        SWEEP.call_once(sweep);
        let folder = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{name}-"))
            .tempdir()
            .context("make a scratch folder")?;
        let lock = File::create(folder.path().join(LOCK))?;
        lock.try_lock().context("lock a scratch folder")?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into the folder and returns its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }
}

/// Removes the folders that earlier runs left behind.
/// What can't be removed, another user's for instance, does no harm and is left.
fn sweep() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && abandoned(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A folder without a lock file is just being made.
fn abandoned(folder: &Path) -> bool {
    File::open(folder.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok())
}
