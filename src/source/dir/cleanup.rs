//! The cleanup: removes temporary files that a killed process left behind.
//!
//! Only the holder of the directory's lock may clean up: a running process has such files too.

use std::fs;
use std::path::Path;

use crate::source::dir::atomic::is_temporary;

/// Removes every temporary file below a directory. One that can't be removed does no harm.
pub(super) fn cleanup(root: &Path) {
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            // Links are skipped: nothing outside the directory is ours.
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() && is_temporary(&entry.file_name()) => {
                    let removed = fs::remove_file(entry.path());
                    let path = entry.path();
                    tracing::info!(path = %path.display(), ?removed, "removed the temporary file of an unfinished write");
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_finished_goes_and_everything_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let file = |path: &str| folder.path().join(path);
        fs::create_dir_all(file(".fusegate/revisions/crd")).unwrap();
        let ours = [
            ".fusegate-tmp-7-0-crd.yaml",
            ".fusegate/revisions/crd/.fusegate-tmp-7-1-2.json",
        ];
        let theirs = ["crd.yaml", ".swp", ".fusegate/revisions/crd/2.json"];
        for path in ours.iter().chain(&theirs) {
            fs::write(file(path), "x").unwrap();
        }
        let outside = elsewhere.path().join(".fusegate-tmp-7-2-x");
        fs::write(&outside, "x").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), file("link")).unwrap();
        cleanup(folder.path());
        assert!(ours.iter().all(|path| !file(path).exists()));
        assert!(theirs.iter().all(|path| file(path).exists()) && outside.exists());
    }
}
