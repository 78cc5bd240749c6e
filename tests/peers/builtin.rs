//! Built-in kinds: the contracts of `deploy/contracts` on what the real controllers report of Deployments, Pods and Nodes.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        batch::v1::Job,
        core::v1::{Namespace, Node, Pod},
    },
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::Timestamp,
};
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};

use super::manifests::{documents, merge};
use crate::support::{
    fusegate::{Fusegate, FusegateConfig},
    servers::cluster::Cluster,
    wait::eventually,
};

const SOON: Duration = Duration::from_mins(3);

const OWN: &str = "fusegate-system";
const NODE: &str = "node";

/// A cluster with its controllers, fusegate on it, and the contracts of four built-in kinds.
struct Shop {
    fusegate: Fusegate,
    client: Client,
    namespace: String,
    _cluster: Cluster,
}

impl Shop {
    async fn open() -> Result<Self> {
        let cluster = Cluster::start().await?;
        for crd in fusegate_crds::all() {
            cluster.api().establish(&crd).await?;
        }
        let client = cluster.api().client().await?;
        let own: Namespace = serde_json::from_value(json!({"metadata": {"name": OWN}}))?;
        Api::all(client.clone())
            .create(&PostParams::default(), &own)
            .await?;
        let fusegate = Fusegate::start(FusegateConfig::args([
            format!("--kubeconfig={}", cluster.api().kubeconfig_path().display()),
            "--audit=/dev/null".to_owned(),
        ]))
        .await?;
        let shop = Self {
            fusegate,
            client,
            namespace: cluster.api().namespace("builtin").await?,
            _cluster: cluster,
        };
        for kind in ["deployments.apps", "jobs.batch", "pods", "nodes"] {
            shop.contract(kind).await?;
        }
        Ok(shop)
    }

    /// Applies a file of `deploy/contracts`: its contract as it stands, and its policy with waits that a test has.
    async fn contract(&self, name: &str) -> Result<()> {
        for mut document in documents(&format!("contracts/{name}"))? {
            if document["kind"] == "CircuitPolicy" {
                let patch = json!({
                    "mode": "Enforce",
                    "trip": {"resample": "1s"},
                    "open": {"minimum": "1s", "maximum": "2s"},
                    "halfOpen": {"admitPercent": [50], "settle": "1s", "successes": 1},
                    "maxOpenPercent": 100,
                });
                merge(&mut document["spec"], &patch);
                let within = document["metadata"]["namespace"].take();
                let own = within == json!(OWN);
                let namespace = if own { OWN } else { &self.namespace };
                document["metadata"]["namespace"] = json!(namespace);
            }
            self.create(&document).await?;
        }
        let accepted = async || {
            let contract = self.contracts().get_status(name).await?;
            let conditions = contract.data["status"]["conditions"].clone();
            let first = &conditions[0];
            ensure!(
                first["type"] == "Accepted" && first["status"] == "True",
                "{conditions}"
            );
            let message = first["message"].as_str().unwrap_or_default();
            ensure!(message.contains("no schema to roll back"), "{message}");
            Ok(())
        };
        eventually(&format!("contract {name} to be accepted"), SOON, accepted).await
    }

    async fn create(&self, document: &Value) -> Result<()> {
        let object: DynamicObject = serde_json::from_value(document.clone())?;
        let api = match &object.metadata.namespace {
            Some(namespace) => Api::namespaced_with(
                self.client.clone(),
                namespace,
                &resource("CircuitPolicy", "circuitpolicies"),
            ),
            None => self.contracts(),
        };
        api.create(&PostParams::default(), &object)
            .await
            .with_context(|| format!("create {document}"))?;
        Ok(())
    }

    fn contracts(&self) -> Api<DynamicObject> {
        let resource = resource("ConditionContract", "conditioncontracts");
        Api::all_with(self.client.clone(), &resource)
    }

    fn jobs(&self) -> Api<Job> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn nodes(&self) -> Api<Node> {
        Api::all(self.client.clone())
    }

    async fn deploy(&self, replicas: u32) -> Result<()> {
        let labels = json!({"app": "web"});
        let deployment: Deployment = serde_json::from_value(json!({
            "metadata": {"name": "web"},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "web", "image": "web"}]},
                },
            },
        }))?;
        Api::namespaced(self.client.clone(), &self.namespace)
            .create(&PostParams::default(), &deployment)
            .await?;
        Ok(())
    }

    /// A Job that fails unless its pod ends within a second.
    async fn begin_job(&self) -> Result<()> {
        let job: Job = serde_json::from_value(json!({
            "metadata": {"name": "migrate"},
            "spec": {
                "activeDeadlineSeconds": 1,
                "template": {"spec": {
                    "restartPolicy": "Never",
                    "containers": [{"name": "migrate", "image": "migrate"}],
                }},
            },
        }))?;
        self.jobs().create(&PostParams::default(), &job).await?;
        Ok(())
    }

    async fn cordon(&self, cordoned: bool) -> Result<()> {
        let patch = Patch::Merge(json!({"spec": {"unschedulable": cordoned}}));
        self.nodes()
            .patch(NODE, &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }

    /// Writes a condition of the node, as a network plugin does.
    async fn break_network(&self, broken: bool) -> Result<()> {
        let condition = json!({
            "type": "NetworkUnavailable",
            "status": if broken { "True" } else { "False" },
            "reason": "Test",
            "lastTransitionTime": Time(Timestamp::UNIX_EPOCH),
        });
        let patch = Patch::Strategic(json!({"status": {"conditions": [condition]}}));
        self.nodes()
            .patch_status(NODE, &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }

    /// The circuits of a policy.
    async fn circuits(&self, namespace: &str, policy: &str) -> Result<Vec<Value>> {
        let path = format!("v1/circuits?namespace={namespace}&policy={policy}");
        let page = self.fusegate.get_json(&path).await?;
        Ok(page["items"].as_array().cloned().unwrap_or_default())
    }

    /// Waits until some circuit of a policy is in a state, and what made it so.
    async fn wait_any(&self, namespace: &str, policy: &str, state: &str) -> Result<Value> {
        eventually(
            &format!("a circuit of {policy} to be {state}"),
            SOON,
            async || {
                let circuits = self.circuits(namespace, policy).await?;
                let found = circuits.iter().find(|circuit| circuit["state"] == state);
                found.cloned().with_context(|| format!("{circuits:?}"))
            },
        )
        .await
    }

    /// Waits until a policy has so many circuits, all Closed and with current evidence.
    async fn wait_all_closed(&self, namespace: &str, policy: &str, count: usize) -> Result<()> {
        let path = format!("v1/gate/{namespace}/{policy}");
        eventually(
            &format!("{count} circuits of {policy} to be Closed"),
            SOON,
            async || {
                let circuits = self.circuits(namespace, policy).await?;
                let closed = circuits
                    .iter()
                    .filter(|circuit| circuit["shadow"] == "Closed");
                ensure!(
                    closed.count() == count && circuits.len() == count,
                    "{circuits:?}"
                );
                let (status, answer) = self.fusegate.get(&path).await?;
                ensure!(status == 200, "{answer}");
                Ok(())
            },
        )
        .await
    }
}

fn resource(kind: &str, plural: &str) -> ApiResource {
    let kind = GroupVersionKind::gvk("fusegate.io", "v1alpha1", kind);
    ApiResource::from_gvk_with_plural(&kind, plural)
}

#[tokio::test]
async fn deployments_jobs_pods_and_nodes_trip_and_recover() -> Result<()> {
    let shop = Shop::open().await?;
    let namespace = shop.namespace.as_str();
    shop.deploy(2).await?;
    shop.wait_all_closed(namespace, "deployments", 1).await?;
    shop.wait_all_closed(namespace, "pods", 2).await?;
    shop.wait_all_closed(OWN, "nodes", 1).await?;

    // Without a node that takes them, new pods stay Pending, and the Deployment becomes unavailable.
    shop.cordon(true).await?;
    let all = (DeleteParams::default(), ListParams::default());
    shop.pods().delete_collection(&all.0, &all.1).await?;
    let deployment = shop.wait_any(namespace, "deployments", "Open").await?;
    ensure!(
        deployment["object"] == "web" && deployment["group"] == "apps",
        "{deployment}"
    );
    let gate = format!("v1/gate/{namespace}/deployments?object=web");
    ensure!(shop.fusegate.get(&gate).await?.0 == 403);
    let pod = shop.wait_any(namespace, "pods", "Open").await?;
    ensure!(pod["kind"] == "Pod" && pod["group"] == "", "{pod}");

    shop.begin_job().await?;
    let job = shop.wait_any(namespace, "jobs", "Open").await?;
    ensure!(
        job["object"] == "migrate" && job["group"] == "batch",
        "{job}"
    );
    let background = DeleteParams::background();
    shop.jobs().delete("migrate", &background).await?;
    eventually("the circuit of the Job to go with it", SOON, async || {
        let circuits = shop.circuits(namespace, "jobs").await?;
        ensure!(circuits.is_empty(), "{circuits:?}");
        Ok(())
    })
    .await?;

    shop.cordon(false).await?;
    shop.wait_all_closed(namespace, "deployments", 1).await?;
    shop.wait_all_closed(namespace, "pods", 2).await?;

    shop.break_network(true).await?;
    let node = shop.wait_any(OWN, "nodes", "Open").await?;
    ensure!(node["object"] == NODE && node["namespace"] == OWN, "{node}");
    shop.break_network(false).await?;
    shop.wait_all_closed(OWN, "nodes", 1).await
}
