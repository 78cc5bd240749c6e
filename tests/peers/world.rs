//! The world of the peers: one cluster in which fusegate, Flagger and Argo Rollouts run, and a shop for each scenario.
//!
//! A shop is the manifests of `deploy/` in a namespace of its own, with the addresses and the waits that a test needs.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, ResourceExt as _,
    api::{DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
    discovery::{self, Scope},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::support::{
    fusegate::{Fusegate, FusegateConfig},
    servers::{cluster::Cluster, ports, process::Process},
    wait::{eventually, throughout},
};

/// Flagger looks every ten seconds at the most often, and a rollout takes several looks.
pub(super) const SOON: Duration = Duration::from_mins(4);

/// Long enough for a controller to look twice.
const HELD: Duration = Duration::from_secs(25);

/// What `deploy/` says fusegate's address is.
const ADDRESS: &str = "http://fusegate.fusegate-system.svc:8080";

/// The whole.
pub(super) struct World {
    // In this order, so that nothing outlives what it talks to.
    _argo: Process,
    _flagger: Process,
    pub(super) fusegate: Fusegate,
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
        for crd in fusegate_crds::all() {
            cluster.api().establish(&crd).await?;
        }
        let client = cluster.api().client().await?;
        for file in ["kubernetes/namespace", "examples/crd", "examples/contract"] {
            for document in documents(file)? {
                apply(&client, "fusegate-system", &document).await?;
            }
        }
        apply(&client, "fusegate-system", &http_routes()).await?;
        let fusegate = Fusegate::start(FusegateConfig::args([
            format!("--kubeconfig={}", cluster.api().kubeconfig_path().display()),
            "--audit=/dev/null".to_owned(),
        ]))
        .await?;
        let flags = [
            ("mesh-provider", "gatewayapi:v1"),
            ("port", &ports::free()?.to_string()),
        ];
        let flagger = cluster.run("flagger", &flags).await?;
        let flags = [
            ("leader-elect", "false"),
            ("metricsPort", &ports::free()?.to_string()),
            ("healthzPort", &ports::free()?.to_string()),
        ];
        let argo = cluster.run("argo-rollouts", &flags).await?;
        Ok(Self {
            _argo: argo,
            _flagger: flagger,
            fusegate,
            cluster,
        })
    }
}

/// One scenario's namespace, with the example's policy and its object `checkout`.
pub(super) struct Shop {
    pub(super) world: &'static World,
    pub(super) namespace: String,
    client: Client,
}

impl Shop {
    /// A shop whose object reports nothing yet, and whose circuit opens for long and closes by one good report.
    pub(super) async fn open(name: &str) -> Result<Self> {
        let world = World::shared().await?;
        let client = world.cluster.api().client().await?;
        let namespace = world.cluster.api().namespace(name).await?;
        let shop = Self {
            world,
            namespace,
            client,
        };
        let recovery = json!({"spec": {
            "trip": {"resample": "0s"},
            "open": {"minimum": "10m", "maximum": "30m"},
            "halfOpen": {"admitPercent": [50], "settle": "0s", "successes": 1, "timeout": "10m"},
        }});
        shop.apply("examples/policy", &recovery).await?;
        shop.apply("examples/storefront", &json!({})).await?;
        Ok(shop)
    }

    /// Applies a file of `deploy/` here; the patch is merged into its last document.
    pub(super) async fn apply(&self, file: &str, patch: &Value) -> Result<()> {
        let text = self
            .addressed(&text(file)?)
            .replace("namespace: shop", &format!("namespace: {}", self.namespace))
            .replace("layer: shop", &format!("layer: {}", self.namespace))
            .replace("shop-{name}", "{namespace}-{name}");
        let mut documents: Vec<Value> = serde_saphyr::from_multiple(&text)?;
        if let Some(last) = documents.last_mut() {
            merge(last, patch);
        }
        for document in &documents {
            apply(&self.client, &self.namespace, document).await?;
        }
        Ok(())
    }

    /// A text of `deploy/` with the addresses that hold here.
    pub(super) fn addressed(&self, text: &str) -> String {
        let own = self.world.fusegate.url("");
        text.replace(ADDRESS, own.trim_end_matches('/'))
            .replace("namespace=shop", &format!("namespace={}", self.namespace))
    }

    /// Merges a patch into an object, or into a subresource of it.
    pub(super) async fn patch(&self, kind: &str, name: &str, patch: &Value) -> Result<()> {
        let params = PatchParams::default();
        let patched = self.api(kind).await?;
        patched.patch(name, &params, &Patch::Merge(patch)).await?;
        Ok(())
    }

    /// An object as JSON.
    pub(super) async fn get(&self, kind: &str, name: &str) -> Result<Value> {
        Ok(serde_json::to_value(
            self.api(kind).await?.get(name).await?,
        )?)
    }

    /// All objects of a kind in this namespace, as JSON.
    pub(super) async fn list(&self, kind: &str) -> Result<Vec<Value>> {
        let all = self.api(kind).await?.list(&ListParams::default()).await?;
        let values = all.items.into_iter().map(serde_json::to_value);
        Ok(values.collect::<Result<_, _>>()?)
    }

    async fn api(&self, kind: &str) -> Result<Api<DynamicObject>> {
        let (group, version) = match kind {
            "Canary" => ("flagger.app", "v1beta1"),
            "Rollout" | "AnalysisRun" => ("argoproj.io", "v1alpha1"),
            "Deployment" => ("apps", "v1"),
            "Event" => ("events.k8s.io", "v1"),
            "Storefront" => ("shop.example.com", "v1"),
            _ => ("fusegate.io", "v1alpha1"),
        };
        let kind = GroupVersionKind::gvk(group, version, kind);
        let (resource, _) = discovery::pinned_kind(&self.client, &kind).await?;
        let client = self.client.clone();
        Ok(Api::namespaced_with(client, &self.namespace, &resource))
    }

    /// Reports conditions, whatever they are, without waiting for what comes of it.
    pub(super) async fn report(&self, conditions: &Value) -> Result<()> {
        let status = json!({"status": {"conditions": conditions}});
        let patch = Patch::Merge(status);
        let objects = self.api("Storefront").await?;
        objects
            .patch_status("checkout", &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }

    /// Reports a good latency, and waits until the gate says Closed.
    pub(super) async fn close(&self) -> Result<()> {
        self.report(&json!({"network-latency": "121ms", "error-rate": 0.01, "tier": "gold"}))
            .await?;
        self.wait_gate("Closed").await
    }

    /// Reports three latencies over the limit, and waits until the circuit is Open.
    pub(super) async fn trip(&self) -> Result<()> {
        for (index, latency) in ["300ms", "310ms", "320ms"].iter().enumerate() {
            self.report(&json!({"network-latency": latency, "error-rate": 0.01}))
                .await?;
            let path = format!("v1/circuits?namespace={}", self.namespace);
            eventually("the report to be judged", SOON, async || {
                let page = self.world.fusegate.get_json(&path).await?;
                let circuit = &page["items"][0];
                let streak = circuit["rules"][0]["streak"].as_u64();
                let judged = streak == Some(index as u64 + 1) || circuit["shadow"] == "Open";
                ensure!(judged, "{page}");
                Ok(())
            })
            .await?;
        }
        self.wait_gate("Open").await
    }

    /// Orders a state until further notice.
    pub(super) async fn order(&self, state: &str) -> Result<()> {
        let patch = json!({"spec": {"state": state}});
        self.apply("examples/override", &patch).await
    }

    /// Waits until the gate of the policy is in a state.
    pub(super) async fn wait_gate(&self, state: &str) -> Result<()> {
        let path = format!("v1/gate/{}/checkout", self.namespace);
        eventually(&format!("the gate to be {state}"), SOON, async || {
            let answer = self.world.fusegate.get_json(&path).await?;
            ensure!(answer["state"] == state, "{answer}");
            Ok(())
        })
        .await
    }

    /// Waits until an object is as the test on it says.
    pub(super) async fn wait(
        &self,
        kind: &str,
        name: &str,
        how: &str,
        is: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let what = format!("{kind} {}/{name} {how}", self.namespace);
        eventually(&what, SOON, async || {
            let object = self.get(kind, name).await?;
            ensure!(is(&object), "{}", object["status"]);
            Ok(object)
        })
        .await
    }

    /// Fails unless an object stays as the test on it says while its controller looks twice.
    pub(super) async fn holds(
        &self,
        kind: &str,
        name: &str,
        is: impl Fn(&Value) -> bool,
    ) -> Result<()> {
        let what = format!("{kind} {}/{name} to be held", self.namespace);
        throughout(&what, HELD, async || {
            let object = self.get(kind, name).await?;
            ensure!(is(&object), "{}", object["status"]);
            Ok(())
        })
        .await
    }

    /// Waits until an Event with this reason stands on an object.
    pub(super) async fn wait_event(&self, kind: &str, name: &str, reason: &str) -> Result<Value> {
        eventually(&format!("{reason} on {kind} {name}"), SOON, async || {
            let events = self.list("Event").await?;
            let about = |event: &&Value| {
                event["regarding"]["kind"] == kind
                    && event["regarding"]["name"] == name
                    && event["reason"] == reason
            };
            let found = events.iter().find(about).cloned();
            found.with_context(|| format!("none among {}", events.len()))
        })
        .await
    }
}

fn text(file: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("deploy/{file}.yaml"));
    fs::read_to_string(path).context(file.to_owned())
}

fn documents(file: &str) -> Result<Vec<Value>> {
    Ok(serde_saphyr::from_multiple(&text(file)?)?)
}

/// The first document of a file of `deploy/`.
pub(super) fn document(file: &str) -> Result<Value> {
    documents(file)?.into_iter().next().context("no document")
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

async fn apply(client: &Client, namespace: &str, document: &Value) -> Result<()> {
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

/// Merges a patch into a document (RFC 7396, without removals).
fn merge(document: &mut Value, patch: &Value) {
    match (document, patch) {
        (Value::Object(document), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(document.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (document, patch) => *document = patch.clone(),
    }
}
