//! The store: where a command finds a CRD as it is live, and the revisions it has had.

use std::io;
use std::path::PathBuf;

use clap::Args;
use fusegate_crds::ConditionContract;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Resource;
use kube::api::{GetParams, ListParams};
use kube::core::{ObjectList, Request};
use serde_json::Value;

use crate::cli::kube::ClusterOptions;
use crate::cli::run::Source;
use crate::effects::cluster::{ApiFailure, Cluster};
use crate::effects::documents::{Document, Wanted};
use crate::effects::revision;
use crate::runtime::client::NoClient;
use crate::source::dir::layout::Layout;
use crate::source::kube::revision::{CRD_LABEL, Stored, crd_label, from_object};
use crate::wire::event::Revision;

/// How many objects are asked for at once: some definitions have megabytes.
const PAGE: u32 = 20;

/// Options that say where the store is, the same as those of `fusegate run`.
#[derive(Args, Clone, Debug)]
pub struct StoreOptions {
    /// Where CRDs and their revisions are: `kube`, or `dir:PATH` for a directory that
    /// `fusegate run` watches.
    #[arg(
        long,
        env = "FUSEGATE_SOURCE",
        default_value = "kube",
        value_name = "kube|dir:PATH"
    )]
    pub source: Source,

    /// The folder in which `fusegate run` keeps its state of the directory, if it was given one.
    #[arg(long, env = "FUSEGATE_STATE", value_name = "DIR")]
    pub state: Option<PathBuf>,

    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterOptions,
}

/// An opened store.
pub(crate) enum Store {
    Kube(Cluster),
    Dir(Layout),
}

/// Why the store says nothing.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// There is no API server to ask.
    #[error(transparent)]
    Client(#[from] NoClient),
    /// The API server refused or did not answer.
    #[error("{act}: {reason}")]
    Refused {
        /// What was asked for.
        act: String,
        /// What came back.
        reason: String,
    },
    /// A stored revision is no revision.
    #[error(transparent)]
    Stored(#[from] Stored),
    /// The directory can't be read.
    #[error("reading the directory {}", path.display())]
    Folder {
        /// The directory.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
}

impl StoreOptions {
    /// Opens the store.
    pub(crate) async fn open(&self) -> Result<Store, Unread> {
        Ok(match &self.source {
            Source::Kube => Store::Kube(self.cluster.open().await?),
            Source::Dir(path) => Store::Dir(Layout::find(path, self.state.as_deref())),
        })
    }
}

impl Store {
    /// The CRD as it is now; `None` when there is none of this name.
    pub(crate) async fn live(&self, crd: &str) -> Result<Option<Value>, Unread> {
        match self {
            Self::Kube(cluster) => {
                let url = CustomResourceDefinition::url_path(&(), None);
                let request = Request::new(url).get(crd, &GetParams::default());
                match cluster.request(request).await {
                    Ok(live) => Ok(Some(live)),
                    Err(ApiFailure::NotFound(_)) => Ok(None),
                    Err(answer) => Err(refused(format!("reading CRD {crd}"), &answer)),
                }
            }
            Self::Dir(layout) => {
                let wanted = Wanted {
                    kind: "CustomResourceDefinition",
                    namespace: "",
                    name: crd,
                };
                let found = Document::find(layout.root(), wanted);
                let found = found.map_err(|source| unread(layout, source))?;
                Ok(found.map(|document| document.object))
            }
        }
    }

    /// Every CRD there is.
    pub(crate) async fn definitions(&self) -> Result<Vec<Value>, Unread> {
        match self {
            Self::Kube(cluster) => {
                let url = CustomResourceDefinition::url_path(&(), None);
                let all = cluster.all(&url, PAGE).await;
                all.map_err(|answer| refused("listing CRDs".to_owned(), &answer))
            }
            Self::Dir(layout) => Document::all(layout.root(), "CustomResourceDefinition")
                .map_err(|source| unread(layout, source)),
        }
    }

    /// Every contract.
    pub(crate) async fn contracts(&self) -> Result<Vec<Value>, Unread> {
        match self {
            Self::Kube(cluster) => {
                let url = ConditionContract::url_path(&(), None);
                let all = cluster.all(&url, PAGE).await;
                all.map_err(|answer| refused("listing contracts".to_owned(), &answer))
            }
            Self::Dir(layout) => Document::all(layout.root(), "ConditionContract")
                .map_err(|source| unread(layout, source)),
        }
    }

    /// The stored revisions of a CRD, in the order of their numbers.
    pub(crate) async fn revisions(&self, crd: &str) -> Result<Vec<Revision>, Unread> {
        let mut found: Vec<Revision> = match self {
            Self::Kube(cluster) => {
                let url = ControllerRevision::url_path(&(), Some(&cluster.namespace));
                let labels = format!("{CRD_LABEL}={}", crd_label(crd));
                let request = Request::new(url).list(&ListParams::default().labels(&labels));
                let list: ObjectList<ControllerRevision> = cluster
                    .request(request)
                    .await
                    .map_err(|answer| refused(format!("listing revisions of {crd}"), &answer))?;
                let read = list.items.into_iter().map(from_object);
                read.collect::<Result<_, _>>()?
            }
            Self::Dir(layout) => {
                let stored = revision::list_in_dir(layout, crd);
                let stored = stored.map_err(|source| unread(layout, source))?;
                stored.into_iter().map(Revision::from).collect()
            }
        };
        found.sort_by_key(|revision| revision.number);
        Ok(found)
    }

    /// One revision, by its number.
    pub(crate) async fn revision(
        &self,
        crd: &str,
        number: u64,
    ) -> Result<Option<Revision>, Unread> {
        let revisions = self.revisions(crd).await?;
        let mut found = revisions.into_iter();
        Ok(found.find(|revision| revision.number == number))
    }
}

fn refused(act: String, answer: &ApiFailure) -> Unread {
    Unread::Refused {
        act,
        reason: answer.to_string(),
    }
}

fn unread(layout: &Layout, source: io::Error) -> Unread {
    Unread::Folder {
        path: layout.root().to_owned(),
        source,
    }
}
