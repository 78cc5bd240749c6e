//! A store: where a story's documents are kept, an API server or a directory, with fusegate on it.

use std::{ops::Deref, path::Path};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{
    cluster::{Access, Cluster, Rights},
    documents::Documents,
    folder::Folder,
    rights,
    visit::Visit,
};
use crate::support::fusegate::{Fusegate, FusegateConfig};

/// Which kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The API server that all stories share.
    Cluster,
    /// An API server that the story may stop, behind a wire that it may cut.
    OwnCluster,
    /// The same, where fusegate has the rights that `deploy/` grants, and those on the story's own kind.
    Granted,
    /// A directory.
    Folder,
}

/// The cluster that a story is in.
pub(super) enum Host {
    Shared(Visit),
    Own(Box<Cluster>),
}

impl Deref for Host {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        match self {
            Self::Shared(visit) => visit,
            Self::Own(cluster) => cluster,
        }
    }
}

/// A story's documents, and fusegate on them.
pub(super) enum Store {
    Cluster(Host, Access),
    Folder(Box<Folder>),
}

impl Store {
    pub(super) async fn start(
        place: Place,
        base: FusegateConfig,
        documents: &Documents,
    ) -> Result<Self> {
        let host = match place {
            Place::Cluster => Host::Shared(Visit::begin(Cluster::shared(base).await?)),
            Place::OwnCluster => Host::Own(Box::new(Cluster::own(base, Rights::All).await?)),
            Place::Granted => {
                let cluster = Cluster::own(base, Rights::Granted).await?;
                rights::grant(&cluster.server, &documents.group, "storefronts").await?;
                Host::Own(Box::new(cluster))
            }
            Place::Folder => {
                let folder = Folder::start(base, documents).await?;
                return Ok(Self::Folder(Box::new(folder)));
            }
        };
        let access = Access::new(&host, documents).await?;
        Ok(Self::Cluster(host, access))
    }

    pub(super) fn fusegate(&self) -> &Fusegate {
        match self {
            Self::Cluster(host, _) => &host.fusegate,
            Self::Folder(folder) => &folder.fusegate,
        }
    }

    pub(super) fn audit(&self) -> &Path {
        match self {
            Self::Cluster(host, _) => &host.audit,
            Self::Folder(folder) => &folder.audit,
        }
    }

    /// The fusegate that is this story's own, to be killed and started again.
    pub(super) fn own_fusegate(&mut self) -> Result<&mut Fusegate> {
        match self {
            Self::Folder(folder) => Ok(&mut folder.fusegate),
            Self::Cluster(..) => Ok(&mut self.own()?.fusegate),
        }
    }

    /// The cluster that is this story's own.
    pub(super) fn own(&mut self) -> Result<&mut Cluster> {
        match self {
            Self::Cluster(Host::Own(cluster), _) => Ok(cluster),
            _ => anyhow::bail!("this story has no cluster of its own"),
        }
    }

    /// The directory that this story is in.
    pub(super) fn folder(&self) -> Result<&Folder> {
        match self {
            Self::Folder(folder) => Ok(folder),
            Self::Cluster(..) => anyhow::bail!("this story is in a cluster"),
        }
    }

    /// Creates the CRD, or brings it to another revision.
    pub(super) async fn apply_crd(&self, revision: u32) -> Result<()> {
        let applied = match self {
            Self::Cluster(host, access) => access.apply_crd(&host.server, revision).await,
            Self::Folder(folder) => folder.apply_crd(revision),
        };
        applied.with_context(|| format!("apply revision {revision} of the CRD"))
    }

    pub(super) async fn create(&self, document: &Value) -> Result<()> {
        match self {
            Self::Cluster(_, access) => access.create(document).await,
            Self::Folder(folder) => folder.put(document),
        }
    }

    /// Merges a patch into a document of any kind.
    pub(super) async fn edit(&self, kind: &str, name: &str, patch: &Value) -> Result<()> {
        let edited = match self {
            Self::Cluster(_, access) => access.edit(kind, name, patch).await,
            Self::Folder(folder) => folder.edit(kind, name, patch),
        };
        edited.with_context(|| format!("edit {kind} {name}"))
    }

    pub(super) async fn delete(&self, kind: &str, name: &str) -> Result<()> {
        let deleted = match self {
            Self::Cluster(_, access) => access.delete(kind, name).await,
            Self::Folder(folder) => folder.delete(kind, name),
        };
        deleted.with_context(|| format!("delete {kind} {name}"))
    }

    /// A document of any kind, if there is one of that name.
    pub(super) async fn find(&self, kind: &str, name: &str) -> Result<Option<Value>> {
        match self {
            Self::Cluster(_, access) => access.find(kind, name).await,
            Self::Folder(folder) => folder.find(kind, name),
        }
    }

    /// The way into the cluster, for what a directory has nothing of.
    pub(super) fn access(&self) -> Result<&Access> {
        match self {
            Self::Cluster(_, access) => Ok(access),
            Self::Folder(_) => anyhow::bail!("this story is in a directory"),
        }
    }

    /// Puts an object's status in place of the one before.
    pub(super) async fn write_status(&self, name: &str, status: &Value) -> Result<()> {
        let written = match self {
            Self::Cluster(_, access) => access.write_status(name, status).await,
            Self::Folder(folder) => folder.write_status(name, status),
        };
        written.with_context(|| format!("write the status of {name}"))
    }

    /// The status of an object of our own kinds.
    pub(super) async fn status(&self, kind: &str, name: &str) -> Result<Value> {
        match self {
            Self::Cluster(_, access) => access.status(kind, name).await,
            Self::Folder(folder) => folder.status(kind, name),
        }
    }

    /// The numbers of the stored revisions that are marked bad, each with its trip.
    pub(super) async fn bad_revisions(&self) -> Result<Vec<(u64, String)>> {
        match self {
            Self::Cluster(_, access) => access.bad_revisions().await,
            Self::Folder(folder) => folder.bad_revisions(),
        }
    }
}
