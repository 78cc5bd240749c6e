//! Server-side apply of a document of any kind, as `kubectl apply` does it.

use anyhow::{Context as _, Result};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
    discovery::{self, Scope},
};
use serde_json::Value;

/// Whether what the server has taken is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Yes,
    /// It is checked all the same.
    No,
}

/// Applies a document, into this namespace unless its kind has none.
pub(crate) async fn apply(
    client: &Client,
    namespace: &str,
    document: &Value,
    keep: Keep,
) -> Result<()> {
    let object: DynamicObject = serde_json::from_value(document.clone())?;
    let types = object.types.clone().context("no apiVersion and kind")?;
    let kind = GroupVersionKind::try_from(&types)?;
    let (resource, capabilities) = discovery::pinned_kind(client, &kind).await?;
    let api: Api<DynamicObject> = match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => Api::namespaced_with(client.clone(), namespace, &resource),
    };
    let mut params = PatchParams::apply("test").force();
    params.dry_run = keep == Keep::No;
    let name = object.name_any();
    let applied = api.patch(&name, &params, &Patch::Apply(document)).await;
    applied.with_context(|| format!("apply {} {name}", types.kind))?;
    Ok(())
}
