//! Orders: overrides that fusegate writes itself, on an alert's word. Every replica does, since each may be told.

use std::io;

use fusegate_crds::CircuitOverride;
use kube::Resource;
use kube::api::PostParams;
use kube::core::Request;

use crate::effects::cluster::{ApiFailure, Cluster, MANAGER};
use crate::effects::delivery::Failure;
use crate::effects::dispatch::Backend;
use crate::effects::documents::{Document, Wanted};
use crate::effects::folder::{Folder, read_only};
use crate::source::dir::atomic::write_atomic;

/// Where orders are written.
#[derive(Clone, Debug)]
pub(crate) enum Orders {
    Kube(Cluster),
    Dir(Folder),
}

impl Orders {
    pub(crate) fn at(backend: &Backend) -> Self {
        match backend {
            Backend::Kube { cluster, .. } => Self::Kube(cluster.clone()),
            Backend::Dir(layout) => Self::Dir(Folder::new(layout.clone())),
        }
    }

    /// Writes an override, unless there is one of its name.
    pub(crate) async fn give(&self, order: CircuitOverride) -> Result<(), Failure> {
        match self {
            Self::Kube(cluster) => create(cluster, &order).await,
            Self::Dir(folder) => {
                let written = folder.exclusively(move |layout| write(layout.root(), &order));
                written.await?.map_err(|error| refused(&error))
            }
        }
    }
}

async fn create(cluster: &Cluster, order: &CircuitOverride) -> Result<(), Failure> {
    let body = serde_json::to_vec(order);
    let body = body.map_err(|error| Failure::Permanent(error.to_string()))?;
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    let url = CircuitOverride::url_path(&(), order.metadata.namespace.as_deref());
    match cluster.send(Request::new(url).create(&params, body)).await {
        // It is there: another replica was told, or this one before it was restarted.
        Ok(()) | Err(ApiFailure::Conflict(_)) => Ok(()),
        Err(answer) => Err(answer.into()),
    }
}

fn write(root: &std::path::Path, order: &CircuitOverride) -> io::Result<()> {
    let namespace = order.metadata.namespace.as_deref().unwrap_or_default();
    let name = order.metadata.name.as_deref().unwrap_or_default();
    let wanted = Wanted {
        kind: "CircuitOverride",
        namespace,
        name,
    };
    if Document::find(root, wanted)?.is_some() {
        return Ok(());
    }
    let text = serde_saphyr::to_string(order).map_err(io::Error::other)?;
    let file = root.join(format!("override-{namespace}-{name}.yaml"));
    write_atomic(&file, text.as_bytes())
}

fn refused(error: &io::Error) -> Failure {
    if read_only(error) {
        return Failure::Permanent(format!("the directory is read-only: {error}"));
    }
    Failure::Transient(format!("writing the override: {error}"))
}
