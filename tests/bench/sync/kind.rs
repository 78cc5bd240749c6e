//! The kind whose objects are synced: a custom resource of ten conditions, or the Pods of a cluster.

use std::env;

use anyhow::{Result, bail};
use jiff::Timestamp;
use kube::api::ApiResource;
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

/// The storefronts' contract's name, and their CRD's.
pub(crate) const STOREFRONTS: &str = "storefronts.shop.example.com";

/// The contract and the policy for Pods.
const PODS: &str = include_str!("../../../deploy/contracts/pods.yaml");

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Custom resources of ten conditions.
    Storefronts,
    /// Pods, under the contract and the policy that are shipped.
    Pods,
}

impl Kind {
    /// What `FUSEGATE_KIND` asks for.
    pub(crate) fn chosen() -> Result<Self> {
        match env::var("FUSEGATE_KIND").as_deref() {
            Err(_) | Ok("storefronts") => Ok(Self::Storefronts),
            Ok("pods") => Ok(Self::Pods),
            Ok(other) => bail!("FUSEGATE_KIND: storefronts or pods, not {other:?}"),
        }
    }

    /// What they are called in the report.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Storefronts => "custom resources of ten conditions",
            Self::Pods => "Pods",
        }
    }

    pub(crate) fn resource(self) -> ApiResource {
        let (group, version, kind, plural) = match self {
            Self::Storefronts => ("shop.example.com", "v1", "Storefront", "storefronts"),
            Self::Pods => ("", "v1", "Pod", "pods"),
        };
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
    }

    /// Where etcd has them.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Storefronts => "/registry/shop.example.com/storefronts/",
            Self::Pods => "/registry/pods/",
        }
    }

    pub(crate) fn crd(self) -> Option<Value> {
        match self {
            Self::Storefronts => Some(parsed(include_str!("../crd.json"))),
            Self::Pods => None,
        }
    }

    pub(crate) fn contract(self) -> Value {
        match self {
            Self::Storefronts => json!({
                "apiVersion": "fusegate.io/v1alpha1",
                "kind": "ConditionContract",
                "metadata": {"name": STOREFRONTS},
                "spec": parsed(include_str!("../contract.json")),
            }),
            Self::Pods => shipped("ConditionContract"),
        }
    }

    pub(crate) fn policy(self, namespace: &str) -> Value {
        match self {
            Self::Storefronts => storefront_policy(namespace),
            Self::Pods => {
                let mut policy = shipped("CircuitPolicy");
                policy["metadata"]["namespace"] = json!(namespace);
                policy
            }
        }
    }

    /// An object without its status.
    pub(crate) fn first(self, name: &str) -> Value {
        let metadata = json!({"name": name, "labels": labels(name)});
        match self {
            Self::Storefronts => json!({
                "apiVersion": "shop.example.com/v1",
                "kind": "Storefront",
                "metadata": metadata,
                "spec": {"replicas": 1},
            }),
            Self::Pods => json!({
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": metadata,
                "spec": pod_spec(),
            }),
        }
    }

    /// A healthy status, another one for every turn.
    pub(crate) fn status(self, turn: usize, at: Timestamp) -> Value {
        match self {
            Self::Storefronts => storefront_status(turn, at),
            Self::Pods => pod_status(turn, at),
        }
    }
}

pub(crate) fn labels(name: &str) -> Value {
    json!({"app.kubernetes.io/name": "storefront", "app.kubernetes.io/instance": name, "tier": "gold"})
}

/// Ten healthy conditions, in the length that operators' statuses have.
fn storefront_status(turn: usize, at: Timestamp) -> Value {
    let at = format!("{at:.3}");
    let timed = |value: Value| json!({"value": value, "observedAt": at});
    json!({"observedGeneration": 1, "conditions": {
        "network-latency": format!("{}us", 100_000 + turn % 100_000),
        "error-rate": format!("0.0{turn:06}"),
        "queue-depth": turn,
        "cpu-load": format!("{}.{turn:06}%", turn % 90),
        "build": format!("release-{turn}"),
        "disk-latency": timed(json!("12ms")),
        "memory-free": timed(json!("512Mi")),
        "saturation": timed(json!(0.25)),
        "ready": timed(json!(true)),
        "tier": timed(json!("gold")),
    }})
}

/// What a kubelet reports of a Pod that runs.
fn pod_status(turn: usize, at: Timestamp) -> Value {
    let at = format!("{at:.0}");
    let kinds = [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
    ];
    let conditions = kinds.map(|kind| json!({"type": kind, "status": "True", "observedGeneration": 1, "lastProbeTime": null, "lastTransitionTime": at}));
    let address = format!("10.244.{}.{}", turn / 256 % 256, turn % 256);
    json!({
        "phase": "Running", "qosClass": "Burstable", "hostIP": "10.0.0.7", "podIP": address, "startTime": at,
        "conditions": conditions,
        "containerStatuses": [{
            "name": "web", "image": IMAGE, "imageID": "registry.example.com/storefront@sha256:0123456789abcdef",
            "containerID": "containerd://0123456789abcdef", "ready": true, "started": true, "restartCount": turn,
            "state": {"running": {"startedAt": at}},
        }],
    })
}

const IMAGE: &str = "registry.example.com/storefront:1.4.2";

/// Of the size that a Pod of a Deployment has.
fn pod_spec() -> Value {
    let probe = json!({"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10});
    json!({
        "nodeName": "worker-7",
        "containers": [{
            "name": "web", "image": IMAGE,
            "ports": [{"name": "http", "containerPort": 8080}],
            "env": [{"name": "REGION", "value": "eu-1"}, {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
            "livenessProbe": probe, "readinessProbe": probe,
            "volumeMounts": [{"name": "config", "mountPath": "/etc/storefront"}],
        }],
        "volumes": [{"name": "config", "configMap": {"name": "storefront"}}],
    })
}

fn storefront_policy(namespace: &str) -> Value {
    json!({
        "apiVersion": "fusegate.io/v1alpha1",
        "kind": "CircuitPolicy",
        "metadata": {"name": "checkout", "namespace": namespace},
        "spec": {
            "contract": STOREFRONTS,
            "selector": {"matchLabels": {"tier": "gold"}},
            "mode": "Enforce",
            "trip": {"when": [
                {"condition": "network-latency", "above": "250ms"},
                {"condition": "error-rate", "above": "0.5"},
            ]},
            "onTrip": ["RejectUpdates"],
            "mesh": {"shed": [{"cluster": "{namespace}-{name}", "percent": 100}]},
        },
    })
}

/// One of the two documents that are shipped.
fn shipped(kind: &str) -> Value {
    let documents: Vec<Value> = serde_saphyr::from_multiple(PODS).expect("valid YAML");
    let mut documents = documents.into_iter();
    documents
        .find(|document| document["kind"] == kind)
        .expect("it is shipped")
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("valid JSON")
}
