//! The layout: where fusegate keeps its own files in a watched directory.
//!
//! The source reads these files and the effects write them; both get paths and types
//! here. Names come from users' YAML: one that is not a plain Kubernetes name is hashed,
//! so that no name can lead out of the folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use twox_hash::XxHash3_128;

use crate::wire::event::Revision;

/// The folder beside the files that holds fusegate's own state.
pub const STATE_FOLDER: &str = ".fusegate";

/// Longest part of a file name that is kept as it is: three parts, two dots and
/// `.json` stay under the 255 bytes that common file systems allow.
const LONGEST_PART: usize = 120;

/// The paths under one root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
    /// The folder in which the state folder is.
    home: PathBuf,
}

/// A stored CRD schema, as JSON: the file in a directory, and the `data` of a
/// `ControllerRevision`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredRevision {
    /// The CRD's name.
    pub crd: Box<str>,
    /// The uid of the CRD it was seen on.
    #[serde(default)]
    pub crd_uid: Box<str>,
    /// Counts up from 1 per CRD.
    pub number: u64,
    /// Hash of the canonical spec.
    pub hash: Box<str>,
    /// Unix milliseconds when it was last made live.
    #[serde(default)]
    pub seen_at: i64,
    /// The trip that marked it bad; a person clears it by removing this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bad: Option<Box<str>>,
    /// The CRD's `spec`.
    pub spec: Arc<Value>,
}

/// Why a stored file can't be read. Each variant names the file.
#[derive(Debug, thiserror::Error)]
pub enum Stored {
    /// The file system refused.
    #[error("reader {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// It is not what fusegate writes.
    #[error("decoding {} as JSON; restore it from a backup, or remove it to start without it", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// Where it went wrong.
        #[source]
        source: serde_json::Error,
    },
}

impl Layout {
    /// The layout of a directory with its state inside.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let home = root.clone();
        Self { root, home }
    }

    /// The same with the state in another folder.
    #[must_use]
    pub fn with_state_in(self, home: impl Into<PathBuf>) -> Self {
        let home = home.into();
        Self { home, ..self }
    }

    /// The layout of a directory as a running fusegate uses it: with its state in the given folder, or where it is found.
    pub fn find(root: impl Into<PathBuf>, state: Option<&Path>) -> Self {
        let inside = Self::new(root);
        if let Some(home) = state {
            return inside.with_state_in(home);
        }
        let beside = inside.beside_link();
        let beside = beside.map(|home| inside.clone().with_state_in(home));
        beside
            .filter(|beside| beside.state_folder().is_dir())
            .unwrap_or(inside)
    }

    /// Whether the state is inside the watched directory.
    pub fn is_state_inside(&self) -> bool {
        self.home.starts_with(&self.root)
    }

    /// The folder beside the link by which the directory is swapped, if it is: the state survives there.
    ///
    /// git-sync, `ConfigMap` volumes and the like swap a link for all files at once. Such a link is the directory
    /// itself, or part of its path and leads to a place below the folder that it stands in.
    pub fn beside_link(&self) -> Option<PathBuf> {
        let root = std::path::absolute(&self.root).ok()?;
        let is_link = |path: &Path| path.is_symlink();
        let swaps = |link: &Path| {
            let (target, parent) = (
                link.canonicalize().ok()?,
                link.parent()?.canonicalize().ok()?,
            );
            (link == root || target.starts_with(parent)).then_some(())
        };
        let mut links = root.ancestors().filter(|path| is_link(path));
        let link = links.find(|link| swaps(link).is_some())?;
        link.parent().map(Path::to_owned)
    }

    /// The watched directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of fusegate's own state.
    pub fn state_folder(&self) -> PathBuf {
        self.home.join(STATE_FOLDER)
    }

    /// The lock file: a running process holds its lock.
    pub fn lock_path(&self) -> PathBuf {
        self.state_folder().join("lock")
    }

    /// The file index.
    pub fn index_path(&self) -> PathBuf {
        self.state_folder().join("index.json")
    }

    /// The folder of statuses.
    pub fn status_folder(&self) -> PathBuf {
        self.state_folder().join("status")
    }

    /// The status of one object: `.fusegate/status/<kind>.<namespace>.<name>.json`;
    /// the namespace is empty where the kind is cluster-scoped.
    pub fn status_path(&self, kind: &str, namespace: &str, name: &str) -> PathBuf {
        let parts = [kind, namespace, name].map(file_part);
        self.status_folder()
            .join(format!("{}.json", parts.join(".")))
    }

    /// The folder of all revisions.
    pub fn revisions_folder(&self) -> PathBuf {
        self.state_folder().join("revisions")
    }

    /// The folder of one CRD's revisions.
    pub fn revision_folder(&self, crd: &str) -> PathBuf {
        self.revisions_folder().join(file_part(crd))
    }

    /// One revision: `.fusegate/revisions/<crd>/<number>.json`.
    pub fn revision_path(&self, crd: &str, number: u64) -> PathBuf {
        self.revision_folder(crd).join(format!("{number}.json"))
    }

    /// The status of one object; `None` if none was written.
    ///
    /// # Errors
    ///
    /// When the file is there and can't be read or decoded.
    pub fn read_status<T: DeserializeOwned>(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<T>, Stored> {
        read_json(&self.status_path(kind, namespace, name))
    }
}

/// Reads a stored JSON file; `None` if there is none.
///
/// # Errors
///
/// When the file is there and can't be read or decoded.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Stored> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            let path = path.to_owned();
            return Err(Stored::Read { path, source });
        }
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|source| {
        let path = path.to_owned();
        Stored::Decode { path, source }
    })
}

/// A part of a file name: the text itself if it is a plain name, else a hash of it.
fn file_part(part: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    if part.len() <= LONGEST_PART && !part.starts_with('.') && part.bytes().all(plain) {
        part.to_owned()
    } else {
        format!("_{:032x}", XxHash3_128::oneshot(part.as_bytes()))
    }
}

impl From<&Revision> for StoredRevision {
    fn from(revision: &Revision) -> Self {
        Self {
            crd: revision.crd.clone(),
            crd_uid: revision.crd_uid.clone(),
            number: revision.number,
            hash: revision.hash.clone(),
            seen_at: revision.seen_at,
            bad: revision.bad.clone(),
            spec: Arc::clone(&revision.spec),
        }
    }
}

impl From<StoredRevision> for Revision {
    fn from(stored: StoredRevision) -> Self {
        Self {
            crd: stored.crd,
            crd_uid: stored.crd_uid,
            number: stored.number,
            hash: stored.hash,
            seen_at: stored.seen_at,
            bad: stored.bad,
            spec: stored.spec,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::source::dir::atomic::write_atomic;

    fn revision() -> Revision {
        Revision {
            crd: "storefronts.shop.example.com".into(),
            crd_uid: "u1".into(),
            number: 7,
            hash: "h".into(),
            seen_at: 1_700_000_000_000,
            bad: Some("trip-1".into()),
            spec: Arc::new(json!({"group": "shop.example.com"})),
        }
    }

    #[test]
    fn a_plain_name_is_its_own_file_name() {
        let layout = Layout::new("/root");
        assert_eq!(
            layout.status_path("CircuitPolicy", "shop", "checkout"),
            Path::new("/root/.fusegate/status/CircuitPolicy.shop.checkout.json")
        );
        assert_eq!(
            layout.revision_path("storefronts.shop.example.com", 3),
            Path::new("/root/.fusegate/revisions/storefronts.shop.example.com/3.json")
        );
    }

    #[test]
    fn the_state_of_a_directory_that_is_swapped_by_a_link_is_beside_the_link() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("worktrees/1/apps")).unwrap();
        fs::create_dir_all(at("elsewhere")).unwrap();
        std::os::unix::fs::symlink("worktrees/1", at("current")).unwrap();
        std::os::unix::fs::symlink(at("elsewhere"), at("worktrees/1/out")).unwrap();
        let beside = |path: &str| Layout::new(at(path)).beside_link();
        assert_eq!(beside("current"), Some(folder.path().to_owned()));
        assert_eq!(beside("current/apps"), Some(folder.path().to_owned()));
        assert_eq!(beside("worktrees/1/apps"), None);
        assert_eq!(beside("worktrees/1/out"), Some(at("worktrees/1")));
        fs::create_dir_all(at("elsewhere/below")).unwrap();
        assert_eq!(beside("worktrees/1/out/below"), None);
    }

    #[test]
    fn no_name_leads_out_of_the_folder_and_none_is_too_long() {
        let layout = Layout::new("/root");
        for name in [
            "../../etc/passwd",
            "..",
            "/abs",
            "a/b",
            "nul\0",
            &"x".repeat(253),
        ] {
            let path = layout.status_path("CircuitPolicy", name, name);
            assert_eq!(
                path.parent(),
                Some(layout.status_folder().as_path()),
                "{name}"
            );
            assert!(
                path.file_name().is_some_and(|file| file.len() <= 255),
                "{name}"
            );
            let path = layout.revision_path(name, 1);
            assert_eq!(
                path.ancestors().nth(2),
                Some(layout.revisions_folder().as_path()),
                "{name}"
            );
        }
        assert_ne!(layout.revision_folder("a/b"), layout.revision_folder("a/c"));
    }

    #[test]
    fn what_is_written_is_read_back_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let path = layout.revision_path("storefronts.shop.example.com", 7);
        let stored = StoredRevision::from(&revision());
        write_atomic(&path, b"an older one").unwrap();
        write_atomic(&path, &serde_json::to_vec(&stored).unwrap()).unwrap();
        let read: StoredRevision = read_json(&path).unwrap().unwrap();
        assert_eq!(Revision::from(read), revision());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_status_never_written_is_none_and_a_broken_one_names_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let read = |name| layout.read_status::<Value>("CircuitPolicy", "shop", name);
        assert_eq!(read("checkout").unwrap(), None);
        write_atomic(
            &layout.status_path("CircuitPolicy", "shop", "checkout"),
            b"{",
        )
        .unwrap();
        let broken = read("checkout").unwrap_err().to_string();
        assert!(
            broken.contains("CircuitPolicy.shop.checkout.json"),
            "{broken}"
        );
    }
}
