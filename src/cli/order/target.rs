//! The target: the API server or the directory that overrides are written to.

use std::io;
use std::path::{Path, PathBuf};

use fusegate_crds::{CircuitOverride, CircuitPolicy};
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::Value;

use crate::cli::format::Unwritten;
use crate::cli::kube::KubeOptions;
use crate::cli::named::Named;
use crate::cli::order::actor;
use crate::cli::run::Source;
use crate::effects::documents::{Document, Wanted};
use crate::runtime::client::NoClient;
use crate::source::dir::atomic::write_atomic;

/// Who owns the fields of an override that these commands write.
const MANAGER: &str = "fusegate-command";

const KIND: &str = "CircuitOverride";

/// Why an order was not given.
#[derive(Debug, thiserror::Error)]
pub enum Unordered {
    /// There is no API server to ask.
    #[error(transparent)]
    Client(#[from] NoClient),
    /// The API server refused.
    #[error("{act}")]
    Refused {
        /// What was asked of it.
        act: String,
        /// What it said.
        #[source]
        source: Box<kube::Error>,
    },
    /// The directory can't be read or written.
    #[error("{act} in {}", path.display())]
    Folder {
        /// What was done.
        act: &'static str,
        /// Where.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// There is no such policy.
    #[error("there is no CircuitPolicy {0}; `fusegate status` lists the policies with circuits")]
    Policy(Named),
    /// The reason.
    #[error("--reason needs a text, of 1,024 characters at most with your name behind it")]
    Reason,
    /// The time.
    #[error("--for is longer than any calendar")]
    Until,
    /// Nothing to end.
    #[error("{0}: nothing is ordered")]
    Nothing(String),
    /// The output.
    #[error(transparent)]
    Output(#[from] Unwritten),
}

/// Where overrides are written.
pub(super) enum Place {
    Kube(Client),
    Dir(PathBuf),
}

impl Place {
    pub(super) async fn open(source: &Source, kube: &KubeOptions) -> Result<Self, Unordered> {
        Ok(match source {
            Source::Kube => Self::Kube(kube.connect().await?),
            Source::Dir(path) => Self::Dir(path.clone()),
        })
    }

    pub(super) async fn actor(&self) -> String {
        match self {
            Self::Kube(client) => actor::of_client(client).await,
            Self::Dir(_) => actor::of_system(),
        }
    }

    /// Fails where there is no such policy: an override of it would wait for one in silence.
    pub(super) async fn assert_policy(&self, policy: &Named) -> Result<(), Unordered> {
        let found = match self {
            Self::Kube(client) => {
                let policies: Api<CircuitPolicy> =
                    Api::namespaced(client.clone(), &policy.namespace);
                let found = policies.get_opt(&policy.name).await;
                found
                    .map_err(refused(|| format!("reading CircuitPolicy {policy}")))?
                    .is_some()
            }
            Self::Dir(path) => {
                find(path, "CircuitPolicy", &policy.namespace, &policy.name)?.is_some()
            }
        };
        if found {
            Ok(())
        } else {
            Err(Unordered::Policy(policy.clone()))
        }
    }

    /// Writes an override in place of the one before.
    pub(super) async fn put(&self, order: &CircuitOverride) -> Result<(), Unordered> {
        let namespace = order.metadata.namespace.as_deref().unwrap_or_default();
        let name = order.metadata.name.as_deref().unwrap_or_default();
        match self {
            Self::Kube(client) => {
                let orders: Api<CircuitOverride> = Api::namespaced(client.clone(), namespace);
                let params = PatchParams::apply(MANAGER).force();
                let put = orders.patch(name, &params, &Patch::Apply(order)).await;
                put.map_err(refused(|| format!("writing {KIND} {namespace}/{name}")))?;
            }
            Self::Dir(path) => {
                let file = path.join(format!("override-{namespace}-{name}.yaml"));
                let unwritten = |source| Unordered::Folder {
                    act: "writing an override",
                    path: file.clone(),
                    source,
                };
                let text = serde_saphyr::to_string(order).map_err(io::Error::other);
                text.and_then(|text| write_atomic(&file, text.as_bytes()))
                    .map_err(unwritten)?;
            }
        }
        Ok(())
    }

    /// Removes an override; false where there is none.
    pub(super) async fn remove(&self, namespace: &str, name: &str) -> Result<bool, Unordered> {
        match self {
            Self::Kube(client) => {
                let orders: Api<CircuitOverride> = Api::namespaced(client.clone(), namespace);
                match orders.delete(name, &DeleteParams::default()).await {
                    Ok(_) => Ok(true),
                    Err(kube::Error::Api(status)) if status.is_not_found() => Ok(false),
                    Err(error) => Err(refused(|| format!("deleting {KIND} {namespace}/{name}"))(
                        error,
                    )),
                }
            }
            Self::Dir(path) => {
                let Some(found) = find(path, KIND, namespace, name)? else {
                    return Ok(false);
                };
                found
                    .remove()
                    .map(|()| true)
                    .map_err(|source| Unordered::Folder {
                        act: "removing an override",
                        path: path.clone(),
                        source,
                    })
            }
        }
    }

    /// All overrides of a namespace.
    pub(super) async fn all(&self, namespace: &str) -> Result<Vec<CircuitOverride>, Unordered> {
        Ok(match self {
            Self::Kube(client) => {
                let orders: Api<CircuitOverride> = Api::namespaced(client.clone(), namespace);
                let listed = orders.list(&ListParams::default()).await;
                let refused = refused(|| format!("listing overrides of namespace {namespace}"));
                listed.map_err(refused)?.items
            }
            Self::Dir(path) => {
                let all = Document::all(path, KIND).map_err(unread(path))?;
                let of_namespace = all.into_iter().filter(|object| {
                    let found = object.pointer("/metadata/namespace");
                    found.and_then(Value::as_str) == Some(namespace)
                });
                let read = of_namespace.filter_map(|object| serde_json::from_value(object).ok());
                read.collect()
            }
        })
    }
}

fn find(
    root: &Path,
    kind: &str,
    namespace: &str,
    name: &str,
) -> Result<Option<Document>, Unordered> {
    let wanted = Wanted {
        kind,
        namespace,
        name,
    };
    Document::find(root, wanted).map_err(unread(root))
}

fn unread(path: &Path) -> impl FnOnce(io::Error) -> Unordered {
    let path = path.to_owned();
    move |source| Unordered::Folder {
        act: "reading the directory",
        path,
        source,
    }
}

fn refused(act: impl FnOnce() -> String) -> impl FnOnce(kube::Error) -> Unordered {
    move |source| Unordered::Refused {
        act: act(),
        source: Box::new(source),
    }
}
