//! The world of the peers: one cluster in which fusegate, Flagger and Argo Rollouts run, installed from `deploy/`.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::{core::v1::Namespace, rbac::v1::ClusterRole};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
    discovery::{self, Scope},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::manifests::documents;
use crate::support::{
    fusegate::{Fusegate, FusegateConfig},
    servers::{
        apiserver::{SERVICE_TOKEN, TOKEN},
        authority::Authority,
        cluster::Cluster,
        ports,
        process::Process,
    },
    wait::eventually,
};

/// Flagger looks every ten seconds at the most often, and a rollout takes several looks.
pub(super) const SOON: Duration = Duration::from_mins(5);

/// What an installation begins with, rights for the kinds of the examples and of release tools included.
const INSTALLATION: [&str; 7] = [
    "kubernetes/namespace",
    "kubernetes/rbac",
    "examples/contracted-kind",
    "flagger/rights",
    "argo/rights",
    "examples/crd",
    "examples/contract",
];

/// The whole.
pub(super) struct World {
    // In this order, so that nothing outlives what it talks to.
    pub(super) argo: Process,
    pub(super) flagger: Process,
    pub(super) fusegate: Fusegate,
    /// Whose certificates release tools trust.
    pub(super) authority: Authority,
    kubeconfig: PathBuf,
    cluster: Cluster,
}

impl World {
    /// The one that the scenarios of this process share.
    pub(super) async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<World> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    async fn start() -> Result<Self> {
        let cluster = Cluster::start().await?;
        install(&cluster).await?;
        let kubeconfig = cluster.api().folder().join("fusegate.kubeconfig");
        let admins = fs::read_to_string(cluster.api().kubeconfig_path())?;
        fs::write(&kubeconfig, admins.replace(TOKEN, SERVICE_TOKEN))?;
        let fusegate = start(&kubeconfig, "first").await?;
        let flags = [
            ("mesh-provider", "gatewayapi:v1"),
            ("port", &ports::free()?.to_string()),
        ];
        let authority = Authority::new()?;
        let trusted = cluster.api().folder().join("trusted.pem");
        fs::write(&trusted, authority.pem())?;
        let trusted = Some(trusted.as_path());
        let flagger = cluster.run_trusting("flagger", &flags, trusted).await?;
        let flags = [
            ("leader-elect", "false"),
            ("metricsPort", &ports::free()?.to_string()),
            ("healthzPort", &ports::free()?.to_string()),
        ];
        let argo = cluster
            .run_trusting("argo-rollouts", &flags, trusted)
            .await?;
        Ok(Self {
            argo,
            flagger,
            fusegate,
            authority,
            kubeconfig,
            cluster,
        })
    }

    /// A client of the runtime that asks for it.
    pub(super) async fn client(&self) -> Result<Client> {
        self.cluster.api().client().await
    }

    /// A namespace that no other scenario has.
    pub(super) async fn namespace(&self, prefix: &str) -> Result<String> {
        self.cluster.api().namespace(prefix).await
    }

    /// One more replica of fusegate, which a scenario may kill and freeze. It serves and does not lead.
    pub(super) async fn replica(&self, name: &str) -> Result<Fusegate> {
        start(&self.kubeconfig, name).await
    }

    /// The same with more arguments, whose HTTP port speaks TLS with a certificate that release tools trust.
    pub(super) async fn replica_over_tls(
        &self,
        name: &str,
        args: impl IntoIterator<Item = String>,
    ) -> Result<Fusegate> {
        let mut config = config(&self.kubeconfig, name);
        config.args.extend(args);
        config.authority = Some(self.authority.pem().to_owned());
        Fusegate::start(config).await
    }
}

async fn start(kubeconfig: &Path, replica: &str) -> Result<Fusegate> {
    Fusegate::start(config(kubeconfig, replica)).await
}

fn config(kubeconfig: &Path, replica: &str) -> FusegateConfig {
    FusegateConfig::args([
        format!("--kubeconfig={}", kubeconfig.display()),
        "--namespace=fusegate-system".to_owned(),
        format!("--replica={replica}"),
        "--audit=/dev/null".to_owned(),
    ])
}

/// Installs what fusegate needs, and waits until its role has the rights that are aggregated to it.
async fn install(cluster: &Cluster) -> Result<()> {
    for crd in fusegate_crds::all() {
        cluster.api().establish(&crd).await?;
    }
    let client = cluster.api().client().await?;
    for file in INSTALLATION {
        for document in documents(file)? {
            apply(&client, "fusegate-system", &document).await?;
        }
    }
    apply(&client, "fusegate-system", &http_routes()).await?;
    let roles: Api<ClusterRole> = Api::all(client);
    eventually("the aggregated role to have its rules", SOON, async || {
        let role = roles.get("fusegate-contracted-kinds").await?;
        let granted = role.rules.unwrap_or_default().len();
        ensure!(granted >= 3, "{granted} rules");
        Ok(())
    })
    .await
}

/// The one kind of the Gateway API that Flagger writes; nothing acts on it here.
fn http_routes() -> Value {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let schema = json!({"type": "object", "properties": {"spec": open, "status": open}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": "httproutes.gateway.networking.k8s.io",
            "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
        },
        "spec": {
            "group": "gateway.networking.k8s.io",
            "scope": "Namespaced",
            "names": {"kind": "HTTPRoute", "plural": "httproutes"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    })
}

/// Applies a document of any kind, as soon as its kind is served.
pub(super) async fn apply(client: &Client, namespace: &str, document: &Value) -> Result<()> {
    let object: DynamicObject = serde_json::from_value(document.clone())?;
    let types = object.types.clone().context("no apiVersion and kind")?;
    let name = object.name_any();
    if types.kind == "Namespace" {
        let namespace: Namespace = serde_json::from_value(document.clone())?;
        Api::all(client.clone())
            .create(&PostParams::default(), &namespace)
            .await?;
        return Ok(());
    }
    let kind = GroupVersionKind::try_from(&types)?;
    let what = format!("{} to be served", types.kind);
    let (resource, capabilities) = eventually(&what, SOON, async || {
        Ok(discovery::pinned_kind(client, &kind).await?)
    })
    .await?;
    let api: Api<DynamicObject> = match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => Api::namespaced_with(client.clone(), namespace, &resource),
    };
    let params = PatchParams::apply("test").force();
    let applied = api.patch(&name, &params, &Patch::Apply(document)).await;
    applied.with_context(|| format!("apply {} {name}", types.kind))?;
    Ok(())
}
