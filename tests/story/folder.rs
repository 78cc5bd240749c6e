//! A folder: a directory of documents with a standalone fusegate on it.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use fusegate::source::dir::layout::{Layout, StoredRevision};
use serde_json::Value;

use super::documents::{Documents, merge};
use crate::support::{
    fusegate::{Fusegate, FusegateConfig},
    scratch::Scratch,
};

/// A directory and the fusegate that watches it.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) fusegate: Fusegate,
    pub(super) audit: PathBuf,
    /// The directory itself.
    pub(super) watched: PathBuf,
    documents: Documents,
    scratch: Scratch,
}

impl Folder {
    pub(super) async fn start(base: FusegateConfig, documents: &Documents) -> Result<Self> {
        let scratch = Scratch::new("folder")?;
        let watched = scratch.path().join("watched");
        fs::create_dir(&watched)?;
        let audit = scratch.path().join("audit.jsonl");
        let args = [
            format!("--source=dir:{}", watched.display()),
            "--cluster=test".to_owned(),
            format!("--audit={}", audit.display()),
        ];
        let config = FusegateConfig {
            wrap: [base.wrap.clone(), as_anyone()?].concat(),
            ..args.into_iter().fold(base, FusegateConfig::arg)
        };
        Ok(Self {
            fusegate: Fusegate::start(config).await?,
            audit,
            documents: documents.clone(),
            watched,
            scratch,
        })
    }

    pub(super) fn apply_crd(&self, revision: u32) -> Result<()> {
        self.put(&self.documents.crd(revision))
    }

    /// Writes a document where no reader sees half of it: beside the directory, then renamed into it.
    pub(super) fn put(&self, document: &Value) -> Result<()> {
        let path = self.path(document);
        let whole = self.scratch.write("next", document.to_string())?;
        fs::rename(whole, &path).with_context(|| format!("write {}", path.display()))
    }

    /// Merges a patch into a document.
    pub(super) fn edit(&self, kind: &str, name: &str, patch: &Value) -> Result<()> {
        let mut document = read(&self.path_of(kind, name))?;
        merge(&mut document, patch);
        self.put(&document)
    }

    pub(super) fn delete(&self, kind: &str, name: &str) -> Result<()> {
        let path = self.path_of(kind, name);
        fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))
    }

    /// A document, if there is one of that name.
    pub(super) fn find(&self, kind: &str, name: &str) -> Result<Option<Value>> {
        let path = self.path_of(kind, name);
        // It may go between two looks.
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            text => {
                let text = text.with_context(|| format!("read {}", path.display()))?;
                Ok(Some(serde_saphyr::from_str(&text)?))
            }
        }
    }

    /// Puts a status in place of the one before.
    pub(super) fn write_status(&self, name: &str, status: &Value) -> Result<()> {
        let mut object = read(&self.path_of("Storefront", name))?;
        object["status"] = status.clone();
        self.put(&object)
    }

    /// The status of an object of our own kinds.
    pub(super) fn status(&self, kind: &str, name: &str) -> Result<Value> {
        let namespace = match kind {
            "ConditionContract" => "",
            _ => &self.documents.namespace,
        };
        let layout = Layout::new(&self.watched);
        let status = layout.read_status(kind, namespace, name)?;
        status.with_context(|| format!("no status of {kind} {name}"))
    }

    /// The numbers of the stored revisions that are marked bad, each with its trip.
    pub(super) fn bad_revisions(&self) -> Result<Vec<(u64, String)>> {
        let folder = Layout::new(&self.watched).revision_folder(&self.documents.crd_name());
        let mut bad = Vec::new();
        for file in fs::read_dir(folder)? {
            let file = file?;
            // One that is just being written, or was when its writer was killed.
            if file.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let text = fs::read_to_string(file.path())?;
            let stored: StoredRevision = serde_json::from_str(&text)?;
            bad.extend(stored.bad.map(|trip| (stored.number, trip.into())));
        }
        Ok(bad)
    }

    /// What an object's file holds.
    pub(super) fn text_of(&self, object: &str) -> Result<String> {
        let path = self.watched.join(file_of(object));
        fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    }

    /// Has every write of fusegate to a file fail from now on, or no more, as on a disk that is full.
    pub(super) fn fill_disk(&self, full: bool) -> Result<()> {
        self.fusegate.fill_disk(full)
    }

    fn path(&self, document: &Value) -> PathBuf {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.path_of(
            &text(&document["kind"]),
            &text(&document["metadata"]["name"]),
        )
    }

    fn path_of(&self, kind: &str, name: &str) -> PathBuf {
        self.watched.join(file(kind, name))
    }
}

/// The name of an object's file.
pub(super) fn file_of(object: &str) -> String {
    file("Storefront", object)
}

fn file(kind: &str, name: &str) -> String {
    format!("{kind}-{name}.yaml").to_lowercase()
}

/// Starts a program as one that file permissions hold for, even where the tests run as root,
/// and that is told of a file which may not grow instead of killed for it.
fn as_anyone() -> Result<Vec<String>> {
    let root = fs::metadata("/proc/self")?.uid() == 0;
    let rights = "--bounding-set=-dac_override,-dac_read_search";
    let dropped = ["setpriv", rights, "--"].map(str::to_owned);
    let dropped = dropped.into_iter().filter(|_| root);
    Ok(dropped.chain(told_of_full_disks()).collect())
}

/// Starts a program as one that is told of a file which may not grow instead of killed for it.
pub(super) fn told_of_full_disks() -> Vec<String> {
    ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"]
        .map(str::to_owned)
        .to_vec()
}

/// Reads a document, which fusegate may have written anew as YAML.
fn read(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    Ok(serde_saphyr::from_str(&text)?)
}
