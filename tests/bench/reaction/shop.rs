//! The shop: a contracted kind, a policy with a circuit per object, and status writes.

use std::time::Duration;

use anyhow::{Context, Result};
use fusegate_crds::{CircuitPolicy, ConditionContract};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use serde_json::json;

use crate::harness::support::wait::eventually;

/// Everything that fusegate needs to have circuits in namespace `shop`.
pub(crate) struct Shop {
    pub(crate) objects: Api<DynamicObject>,
}

impl Shop {
    /// Makes the CRDs, the contract, the policy and so many objects.
    pub(crate) async fn open(client: Client, objects: usize) -> Result<Self> {
        let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
        for crd in fusegate_crds::all() {
            crds.create(&PostParams::default(), &crd).await?;
        }
        let target: CustomResourceDefinition = serde_json::from_value(crd())?;
        crds.create(&PostParams::default(), &target).await?;
        for name in ["shop", "fusegate-system"] {
            let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
            Api::<Namespace>::all(client.clone())
                .create(&PostParams::default(), &namespace)
                .await?;
        }
        let kind = GroupVersionKind::gvk("shop.example.com", "v1", "Storefront");
        let resource = ApiResource::from_gvk_with_plural(&kind, "storefronts");
        let shop = Self {
            objects: Api::namespaced_with(client.clone(), "shop", &resource),
        };
        shop.write_policy(&client).await?;
        for trip in 0..objects {
            shop.create(trip).await?;
        }
        Ok(shop)
    }

    /// Writes a latency, in milliseconds, to an object's status.
    pub(crate) async fn report(&self, trip: usize, millis: u32) -> Result<()> {
        let status = json!({"status": {"conditions": {"network-latency": format!("{millis}ms")}}});
        let (name, params) = (name(trip), PatchParams::default());
        let patch = Patch::Merge(&status);
        let patched = self.objects.patch_status(&name, &params, &patch);
        patched.await.context("writing a status")?;
        Ok(())
    }

    pub(crate) async fn delete(&self, trip: usize) -> Result<()> {
        self.objects
            .delete(&name(trip), &DeleteParams::default())
            .await?;
        Ok(())
    }

    async fn create(&self, trip: usize) -> Result<()> {
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "shop.example.com/v1",
            "kind": "Storefront",
            "metadata": {"name": name(trip), "labels": {"tier": "gold"}},
            "spec": {"replicas": 1},
        }))?;
        self.objects.create(&PostParams::default(), &object).await?;
        Ok(())
    }

    async fn write_policy(&self, client: &Client) -> Result<()> {
        let contract: ConditionContract = serde_json::from_value(contract())?;
        let policy: CircuitPolicy = serde_json::from_value(policy())?;
        eventually(
            "our CRDs to be served",
            Duration::from_secs(30),
            async || {
                self.objects.list(&kube::api::ListParams::default()).await?;
                let contracts: Api<ConditionContract> = Api::all(client.clone());
                contracts.list(&kube::api::ListParams::default()).await?;
                let policies: Api<CircuitPolicy> = Api::namespaced(client.clone(), "shop");
                policies.list(&kube::api::ListParams::default()).await?;
                Ok(())
            },
        )
        .await?;
        Api::<ConditionContract>::all(client.clone())
            .create(&PostParams::default(), &contract)
            .await?;
        Api::<CircuitPolicy>::namespaced(client.clone(), "shop")
            .create(&PostParams::default(), &policy)
            .await?;
        Ok(())
    }
}

/// The object of a trip.
pub(crate) fn name(trip: usize) -> String {
    format!("store-{trip}")
}

/// The cluster that its circuit sheds.
pub(crate) fn cluster(trip: usize) -> String {
    format!("shop-store-{trip}")
}

fn crd() -> serde_json::Value {
    serde_json::from_str(include_str!("../crd.json")).expect("a CRD")
}

fn contract() -> serde_json::Value {
    json!({
        "apiVersion": "fusegate.io/v1alpha1",
        "kind": "ConditionContract",
        "metadata": {"name": "storefronts.shop.example.com"},
        "spec": {
            "target": {"group": "shop.example.com", "kind": "Storefront"},
            "conditions": [{"key": "network-latency", "type": "Duration"}],
            "mesh": {"clusters": ["{namespace}-*"]},
            "rollback": {"mode": "Off"},
        },
    })
}

fn policy() -> serde_json::Value {
    json!({
        "apiVersion": "fusegate.io/v1alpha1",
        "kind": "CircuitPolicy",
        "metadata": {"name": "checkout", "namespace": "shop"},
        "spec": {
            "contract": "storefronts.shop.example.com",
            "selector": {"matchLabels": {"tier": "gold"}},
            "mode": "Enforce",
            "trip": {"when": [{"condition": "network-latency", "above": "250ms"}], "resample": "0s"},
            "open": {"minimum": "10m"},
            "maxOpenPercent": 100,
            "onTrip": ["RejectUpdates"],
            "mesh": {"shed": [{"cluster": "shop-{name}", "percent": 100}]},
        },
    })
}
