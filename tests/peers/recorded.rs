//! The corpus' recordings: what the real controllers report of healthy and of sick objects, against the files of `tests/corpus`.
//!
//! `RECORD_CORPUS=1 make test-peers` writes the files anew; else a controller that reports other things than it did
//! when they were written fails here.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use kube::{
    Api, Client,
    api::DynamicObject,
    core::GroupVersionKind,
    discovery::{self, Scope},
};
use rstest::rstest;
use serde_json::{Map, Value, json};

use super::world::{World, apply};
use crate::support::wait::eventually;

const CORPUS: &str = "tests/corpus";

/// Controllers give a workload up after seconds here, and look again at their leisure.
const SOON: Duration = Duration::from_mins(3);

/// Pods that no node takes.
fn nowhere() -> Value {
    json!({"nodeSelector": {"nowhere": "true"}})
}

/// The template of a workload's pods, with this in their spec.
fn template(spec: &Value) -> Value {
    let mut pod = json!({"containers": [{"name": "example", "image": "example"}]});
    merge(&mut pod, spec);
    json!({"metadata": {"labels": {"app": "example"}}, "spec": pod})
}

/// A workload whose pods have this in their spec.
fn workload(api_version: &str, kind: &str, pods: &Value, spec: &Value) -> Value {
    let mut document = json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": "example"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "example"}},
            "template": template(pods),
        },
    });
    merge(&mut document["spec"], spec);
    document
}

fn deployment(pods: &Value, spec: &Value) -> Value {
    workload("apps/v1", "Deployment", pods, spec)
}

fn rollout(pods: &Value, spec: &Value) -> Value {
    let mut spec = spec.clone();
    merge(
        &mut spec,
        &json!({"strategy": {"canary": {"steps": [{"setWeight": 50}]}}}),
    );
    workload("argoproj.io/v1alpha1", "Rollout", pods, &spec)
}

fn job(pods: &Value, spec: &Value) -> Value {
    let mut pods = pods.clone();
    merge(&mut pods, &json!({"restartPolicy": "Never"}));
    let mut document = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "example"},
        "spec": {"template": template(&pods)},
    });
    merge(&mut document["spec"], spec);
    document
}

fn pod(spec: &Value) -> Value {
    let mut document = template(spec);
    document["apiVersion"] = json!("v1");
    document["kind"] = json!("Pod");
    document["metadata"]["name"] = json!("example");
    document
}

fn budget() -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "example"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "example"}}},
    })
}

fn autoscaler() -> Value {
    json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "example"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "example"},
            "minReplicas": 1, "maxReplicas": 5,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}],
        },
    })
}

fn quota() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "example"},
        "spec": {"hard": {"pods": "0"}},
    })
}

fn canary() -> Value {
    json!({
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": "example"},
        "spec": {
            "provider": "kubernetes",
            "progressDeadlineSeconds": 30,
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "example"},
            "service": {"port": 80},
            "analysis": {"interval": "10s", "threshold": 1, "iterations": 1},
        },
    })
}

/// A CRD of a group of its own, and one whose names it has taken.
fn crd(plural: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.corpus.example.com")},
        "spec": {
            "group": "corpus.example.com",
            "scope": "Namespaced",
            "names": {"kind": "Example", "plural": plural},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}},
            }],
        },
    })
}

/// An API that is served by a service which isn't there.
fn api_service() -> Value {
    json!({
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v1.absent.example.com"},
        "spec": {
            "group": "absent.example.com", "version": "v1",
            "groupPriorityMinimum": 1000, "versionPriority": 10,
            "insecureSkipTLSVerify": true,
            "service": {"namespace": "default", "name": "absent"},
        },
    })
}

/// A state of an object that is recorded.
struct Scene {
    /// The folder of the corpus, and the file in it.
    file: [&'static str; 2],
    /// What is written, one step after the other; each but the last must be settled before the next is.
    steps: Vec<Vec<Value>>,
    /// The object that is recorded: its version and kind, and its name.
    object: [&'static str; 3],
    /// What its status has once each step is settled: a condition with its status, or a field with its value.
    until: Vec<[&'static str; 2]>,
}

impl Scene {
    fn new(
        file: [&'static str; 2],
        object: [&'static str; 2],
        documents: Vec<Value>,
        until: [&'static str; 2],
    ) -> Self {
        Self {
            file,
            steps: vec![documents],
            object: [object[0], object[1], "example"],
            until: vec![until],
        }
    }

    fn then(mut self, documents: Vec<Value>, until: [&'static str; 2]) -> Self {
        self.steps.push(documents);
        self.until.push(until);
        self
    }

    fn named(mut self, name: &'static str) -> Self {
        self.object[2] = name;
        self
    }

    /// Lives through it, and returns the object.
    async fn live(&self) -> Result<Value> {
        let world = World::shared().await?;
        let client = world.client().await?;
        let namespace = world.namespace("corpus").await?;
        let mut seen = Value::Null;
        for (documents, until) in self.steps.iter().zip(&self.until) {
            for document in documents {
                apply(&client, &namespace, document).await?;
            }
            let what = format!("{:?} to have {until:?}", self.file);
            seen = eventually(&what, SOON, async || {
                let object = get(&client, &namespace, self.object).await?;
                ensure!(has(&object["status"], *until), "{}", object["status"]);
                Ok(object)
            })
            .await?;
        }
        Ok(recorded(&seen))
    }
}

#[rstest]
#[case::deployment_available(Scene::new(["deployments.apps", "healthy-available"], ["apps/v1", "Deployment"],
    vec![deployment(&json!({}), &json!({}))], ["Available", "True"]))]
#[case::deployment_unavailable(Scene::new(["deployments.apps", "sick-unavailable"], ["apps/v1", "Deployment"],
    vec![deployment(&nowhere(), &json!({}))], ["Available", "False"]))]
#[case::deployment_too_late(Scene::new(["deployments.apps", "sick-deadline-exceeded"], ["apps/v1", "Deployment"],
    vec![deployment(&nowhere(), &json!({"progressDeadlineSeconds": 2}))], ["Progressing", "False"]))]
#[case::deployment_over_quota(Scene::new(
    ["deployments.apps", "sick-quota"],
    ["apps/v1", "Deployment"],
    vec![quota(), deployment(&json!({}), &json!({}))],
    ["ReplicaFailure", "True"]
))]
#[case::job_complete(Scene::new(["jobs.batch", "healthy-complete"], ["batch/v1", "Job"],
    vec![job(&json!({}), &json!({}))], ["Complete", "True"]))]
#[case::job_too_late(Scene::new(["jobs.batch", "sick-deadline-exceeded"], ["batch/v1", "Job"],
    vec![job(&nowhere(), &json!({"activeDeadlineSeconds": 1}))], ["Failed", "True"]))]
#[case::pod_ready(Scene::new(["pods", "healthy-running"], ["v1", "Pod"],
    vec![pod(&json!({}))], ["Ready", "True"]))]
#[case::pod_unschedulable(Scene::new(["pods", "sick-unschedulable"], ["v1", "Pod"],
    vec![pod(&nowhere())], ["PodScheduled", "False"]))]
#[case::node_ready(Scene::new(["nodes", "healthy-ready"], ["v1", "Node"],
    vec![], ["Ready", "True"]).named("node"))]
#[case::budget_met(Scene::new(["poddisruptionbudgets.policy", "healthy-sufficient"], ["policy/v1", "PodDisruptionBudget"],
    vec![deployment(&json!({}), &json!({})), budget()], ["DisruptionAllowed", "True"]))]
#[case::budget_missed(Scene::new(["poddisruptionbudgets.policy", "sick-insufficient"], ["policy/v1", "PodDisruptionBudget"],
    vec![deployment(&nowhere(), &json!({})), budget()], ["DisruptionAllowed", "False"]))]
#[case::autoscaler_without_metrics(Scene::new(["horizontalpodautoscalers.autoscaling", "sick-no-metrics"], ["autoscaling/v2", "HorizontalPodAutoscaler"],
    vec![deployment(&json!({}), &json!({})), autoscaler()], ["ScalingActive", "False"]))]
#[case::crd_established(Scene::new(["customresourcedefinitions.apiextensions.k8s.io", "healthy-established"], ["apiextensions.k8s.io/v1", "CustomResourceDefinition"],
    vec![crd("examples")], ["Established", "True"]).named("examples.corpus.example.com"))]
#[case::crd_without_its_names(Scene::new(["customresourcedefinitions.apiextensions.k8s.io", "sick-names-taken"], ["apiextensions.k8s.io/v1", "CustomResourceDefinition"],
    vec![crd("examples"), crd("samples")], ["NamesAccepted", "False"]).named("samples.corpus.example.com"))]
#[case::api_local(Scene::new(["apiservices.apiregistration.k8s.io", "healthy-local"], ["apiregistration.k8s.io/v1", "APIService"],
    vec![], ["Available", "True"]).named("v1.apps"))]
#[case::api_without_service(Scene::new(["apiservices.apiregistration.k8s.io", "sick-no-service"], ["apiregistration.k8s.io/v1", "APIService"],
    vec![api_service()], ["Available", "False"]).named("v1.absent.example.com"))]
#[case::rollout_healthy(Scene::new(["rollouts.argoproj.io", "healthy-healthy"], ["argoproj.io/v1alpha1", "Rollout"],
    vec![rollout(&json!({}), &json!({}))], ["phase", "Healthy"]))]
#[case::rollout_invalid(Scene::new(["rollouts.argoproj.io", "sick-invalid-spec"], ["argoproj.io/v1alpha1", "Rollout"],
    vec![rollout(&json!({}), &json!({"selector": {"matchLabels": {"app": "other"}}}))], ["InvalidSpec", "True"]))]
#[case::rollout_too_late(Scene::new(["rollouts.argoproj.io", "sick-deadline-exceeded"], ["argoproj.io/v1alpha1", "Rollout"],
    vec![rollout(&nowhere(), &json!({"progressDeadlineSeconds": 2, "minReadySeconds": 1}))], ["Progressing", "False"]))]
#[case::canary_initialized(Scene::new(["canaries.flagger.app", "healthy-initialized"], ["flagger.app/v1beta1", "Canary"],
    vec![deployment(&json!({}), &json!({})), canary()], ["phase", "Initialized"]))]
#[case::canary_failed(Scene::new(["canaries.flagger.app", "sick-failed"], ["flagger.app/v1beta1", "Canary"],
    vec![deployment(&json!({}), &json!({"progressDeadlineSeconds": 20})), canary()], ["phase", "Initialized"])
    .then(vec![deployment(&nowhere(), &json!({"progressDeadlineSeconds": 20}))], ["phase", "Failed"]))]
#[tokio::test]
async fn what_a_controller_reports_is_what_the_corpus_has(#[case] scene: Scene) -> Result<()> {
    let object = scene.live().await?;
    let [folder, name] = scene.file;
    let path = Path::new(CORPUS).join(folder).join(format!("{name}.yaml"));
    if std::env::var_os("RECORD_CORPUS").is_some() {
        fs::create_dir_all(path.parent().context("a folder")?)?;
        let head =
            "# Recorded from the real controller: tests/peers/recorded.rs lives through it.\n";
        fs::write(
            &path,
            format!("{head}{}", serde_saphyr::to_string(&object)?),
        )?;
        return Ok(());
    }
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    ensure!(
        text.starts_with("# Recorded"),
        "{} is no recording",
        path.display()
    );
    let known: Value = serde_saphyr::from_str(&text)?;
    ensure!(
        essence(&object) == essence(&known),
        "{} has {:?}, and the controller reports {:?}",
        path.display(),
        essence(&known),
        essence(&object)
    );
    Ok(())
}

async fn get(client: &Client, namespace: &str, [version, kind, name]: [&str; 3]) -> Result<Value> {
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let kind = GroupVersionKind::gvk(group, version, kind);
    let (resource, capabilities) = discovery::pinned_kind(client, &kind).await?;
    let api: Api<DynamicObject> = match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => Api::namespaced_with(client.clone(), namespace, &resource),
    };
    Ok(serde_json::to_value(api.get(name).await?)?)
}

/// Whether a status has a condition of this status, or a field of this value.
fn has(status: &Value, [name, value]: [&str; 2]) -> bool {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let mut named = conditions.filter(|each| each["type"] == name);
    let plain = |field: &Value| match field {
        Value::String(text) => text == value,
        Value::Number(number) => number.to_string() == *value,
        _ => false,
    };
    named.any(|each| each["status"] == value) || plain(&status[name])
}

/// The object as the corpus has it: its status as it was reported, and of all else what contracts read.
fn recorded(object: &Value) -> Value {
    let mut metadata = json!({"name": "example"});
    if object["metadata"]["namespace"].is_string() {
        metadata["namespace"] = json!("default");
    }
    if let Some(generation) = object["metadata"]["generation"].as_i64() {
        metadata["generation"] = json!(generation);
    }
    let mut kept = json!({
        "apiVersion": object["apiVersion"],
        "kind": object["kind"],
        "metadata": metadata,
        "status": object["status"],
    });
    if let Some(replicas) = object["spec"]["replicas"].as_i64() {
        kept["spec"] = json!({"replicas": replicas});
    }
    kept
}

/// What stays the same whenever it is recorded: the conditions without their times and messages, and the phase.
fn essence(object: &Value) -> (Vec<[String; 3]>, Map<String, Value>) {
    let status = &object["status"];
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let text = |each: &Value, name: &str| each[name].as_str().unwrap_or_default().to_owned();
    let mut conditions: Vec<[String; 3]> = conditions
        .map(|each| ["type", "status", "reason"].map(|name| text(each, name)))
        .collect();
    conditions.sort();
    let fields = status.as_object().cloned().unwrap_or_default();
    let phase = fields.into_iter().filter(|(name, _)| name == "phase");
    (conditions, phase.collect())
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
