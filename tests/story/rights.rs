//! Rights: what `deploy/kubernetes/rbac.yaml` grants, installed as it stands, and one more kind at a time.
//!
//! No controller runs here to fill the aggregated role, so each kind is granted by a role and a binding of its own.

use std::{fs, path::Path};

use anyhow::Result;
use serde_json::{Value, json};

use crate::support::servers::{
    apiserver::ApiServer,
    apply::{Keep, apply},
};

const NAMESPACE: &str = "fusegate-system";

/// Grants what every installation grants; fusegate's namespace must be there.
pub(super) async fn install(server: &ApiServer) -> Result<()> {
    let client = server.client().await?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes/rbac.yaml");
    let documents: Vec<Value> = serde_saphyr::from_multiple(&fs::read_to_string(path)?)?;
    for document in documents {
        apply(&client, NAMESPACE, &document, Keep::Yes).await?;
    }
    Ok(())
}

/// Lets fusegate read the objects of one more kind, of all namespaces.
pub(super) async fn grant(server: &ApiServer, group: &str, plural: &str) -> Result<()> {
    let client = server.client().await?;
    let name = format!("{plural}.{group}");
    let kind = |kind: &str| json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name}});
    let mut role = kind("ClusterRole");
    role["rules"] =
        json!([{"apiGroups": [group], "resources": [plural], "verbs": ["get", "list", "watch"]}]);
    let mut binding = kind("ClusterRoleBinding");
    binding["roleRef"] =
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name});
    binding["subjects"] =
        json!([{"kind": "ServiceAccount", "name": "fusegate", "namespace": NAMESPACE}]);
    apply(&client, NAMESPACE, &role, Keep::Yes).await?;
    apply(&client, NAMESPACE, &binding, Keep::Yes).await
}
