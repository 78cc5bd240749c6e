//! The shop: a contracted kind of ten conditions, one object for each writer, and what they write.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use fusegate_crds::ConditionContract;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::harness::support::wait::eventually;

/// The contract's name, and the target CRD's.
const STOREFRONTS: &str = "storefronts.shop.example.com";

/// Where the objects are.
const OBJECTS: &str = "/apis/shop.example.com/v1/namespaces/shop/storefronts";

const PATIENCE: Duration = Duration::from_mins(2);

/// The cluster's side of a run.
pub(crate) struct Shop {
    client: Client,
    writes: AtomicUsize,
}

impl Shop {
    /// Makes the CRDs, the contract and the objects.
    pub(crate) async fn open(client: Client, objects: usize) -> Result<Self> {
        let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
        for crd in fusegate_crds::all() {
            crds.create(&PostParams::default(), &crd).await?;
        }
        let target = serde_json::from_str(include_str!("../crd.json"))?;
        crds.create(&PostParams::default(), &target).await?;
        for name in ["shop", "fusegate-system"] {
            let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
            Api::all(client.clone())
                .create(&PostParams::default(), &namespace)
                .await?;
        }
        let shop = Self {
            client,
            writes: AtomicUsize::new(0),
        };
        for object in 0..objects {
            shop.create(object).await?;
        }
        let spec: Value = serde_json::from_str(include_str!("../contract.json"))?;
        let contract: ConditionContract = serde_json::from_value(json!({
            "apiVersion": "fusegate.io/v1alpha1", "kind": "ConditionContract",
            "metadata": {"name": STOREFRONTS}, "spec": spec,
        }))?;
        eventually("the contracts to be served", PATIENCE, async || {
            Api::<ConditionContract>::all(shop.client.clone())
                .create(&PostParams::default(), &contract)
                .await?;
            Ok(())
        })
        .await?;
        Ok(shop)
    }

    async fn create(&self, object: usize) -> Result<()> {
        let body = json!({
            "apiVersion": "shop.example.com/v1", "kind": "Storefront",
            "metadata": {"name": name(object)}, "spec": {"replicas": 3},
        });
        eventually("the kind to be served", PATIENCE, async || {
            let request = Request::post(OBJECTS).header(CONTENT_TYPE, "application/json");
            let request = request.body(body.to_string().into_bytes())?;
            self.client.request_text(request).await?;
            Ok(())
        })
        .await
    }

    /// Asks for a way of admission, and waits until the contract says that it is enforced.
    pub(crate) async fn ask(&self, mode: &str, by: &str) -> Result<()> {
        let contracts: Api<ConditionContract> = Api::all(self.client.clone());
        let spec = json!({"spec": {"admission": {"mode": mode, "by": by}}});
        contracts
            .patch(STOREFRONTS, &PatchParams::default(), &Patch::Merge(spec))
            .await?;
        eventually(
            "admission to be as it was asked for",
            PATIENCE,
            async || {
                let contract = serde_json::to_value(contracts.get(STOREFRONTS).await?)?;
                let conditions = contract["status"]["conditions"]
                    .as_array()
                    .context("none")?;
                let ready = conditions
                    .iter()
                    .find(|each| each["type"] == "AdmissionReady");
                let as_asked = match ready {
                    Some(ready) => ready["reason"] == format!("EnforcedBy{by}"),
                    None => mode == "Off",
                };
                ensure!(as_asked, "{contract}");
                // What was enforced before goes a little later.
                let denied = self.write(0, true).await?;
                ensure!(
                    denied == (mode == "Deny"),
                    "the API server is not there yet"
                );
                Ok(())
            },
        )
        .await
    }

    /// Writes ten conditions of an object; whether that was denied.
    pub(crate) async fn write(&self, object: usize, illegal: bool) -> Result<bool> {
        let write = self.writes.fetch_add(1, Ordering::Relaxed);
        let body = json!({"status": {"conditions": conditions(write, illegal)}});
        let request = Request::patch(format!("{OBJECTS}/{}/status", name(object)));
        let request = request.header(CONTENT_TYPE, "application/merge-patch+json");
        let request = request.body(body.to_string().into_bytes())?;
        match self.client.request_text(request).await {
            Ok(_) => Ok(false),
            Err(kube::Error::Api(status)) if status.code == 422 => Ok(true),
            Err(error) => bail!("write {write}: {error}"),
        }
    }
}

fn name(object: usize) -> String {
    format!("shop-{object}")
}

/// Ten conditions that differ from all before; of an illegal write one is out of range.
pub(crate) fn conditions(write: usize, illegal: bool) -> Value {
    let rate = if illegal { 7.5 } else { 0.25 };
    json!({
        "network-latency": format!("{}ms", 100 + write % 50), "error-rate": rate, "queue-depth": write,
        "cpu-load": "12.5%", "build": format!("v1.{write}"), "disk-latency": "3ms", "memory-free": "512Mi",
        "saturation": 0.5, "ready": true, "tier": "gold",
    })
}
