//! The shop: the contracted kind, its namespaces, and policies that select every object.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fusegate_crds::{CircuitPolicy, ConditionContract};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::kind::{Kind, STOREFRONTS};
use crate::harness::support::wait::eventually;

/// Objects of one namespace, and so circuits of one policy.
pub(crate) const EACH: usize = 1_000;

/// How long the API server, and fusegate on it, may take over all objects.
const PATIENCE: Duration = Duration::from_mins(10);

/// The cluster's side of a run.
#[derive(Clone)]
pub(crate) struct Shop {
    client: Client,
    kind: Kind,
    namespaces: usize,
}

impl Shop {
    /// Makes the CRDs and the namespaces of so many objects, and the first object.
    pub(crate) async fn open(client: Client, kind: Kind, objects: usize) -> Result<Self> {
        let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
        for crd in fusegate_crds::all() {
            crds.create(&PostParams::default(), &crd).await?;
        }
        if let Some(crd) = kind.crd() {
            let target: CustomResourceDefinition = serde_json::from_value(crd)?;
            crds.create(&PostParams::default(), &target).await?;
        }
        let shop = Self {
            client,
            kind,
            namespaces: objects.div_ceil(EACH),
        };
        let names = (0..shop.namespaces).map(namespace);
        for name in names.chain(["fusegate-system".to_owned()]) {
            let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
            Api::<Namespace>::all(shop.client.clone())
                .create(&PostParams::default(), &namespace)
                .await?;
        }
        shop.served().await?;
        shop.create_first().await?;
        Ok(shop)
    }

    pub(crate) async fn contract(&self) -> Result<()> {
        let contract: ConditionContract = serde_json::from_value(self.kind.contract())?;
        Api::all(self.client.clone())
            .create(&PostParams::default(), &contract)
            .await?;
        Ok(())
    }

    /// Waits until a revision of the CRD is stored and live.
    pub(crate) async fn wait_revision(&self, revision: i64) -> Result<()> {
        let contracts: Api<ConditionContract> = Api::all(self.client.clone());
        eventually("the revision to be stored", PATIENCE, async || {
            let status = contracts.get(STOREFRONTS).await?.status;
            let live = status.and_then(|status| status.revision);
            ensure!(live == Some(revision), "{live:?}");
            Ok(())
        })
        .await
    }

    /// Gives the CRD's `.spec` one more field.
    pub(crate) async fn add_field(&self) -> Result<()> {
        let crds: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let field = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/size";
        let change = json!([{"op": "add", "path": field, "value": {"type": "integer"}}]);
        let patch: Patch<()> = Patch::Json(serde_json::from_value(change)?);
        crds.patch(STOREFRONTS, &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }

    /// A policy in every namespace, which selects all that is there.
    pub(crate) async fn police(&self) -> Result<()> {
        for index in 0..self.namespaces {
            let policy: CircuitPolicy =
                serde_json::from_value(self.kind.policy(&namespace(index)))?;
            Api::<CircuitPolicy>::namespaced(self.client.clone(), &namespace(index))
                .create(&PostParams::default(), &policy)
                .await?;
        }
        Ok(())
    }

    /// Writes all ten conditions of an object anew.
    pub(crate) async fn report(&self, index: usize, turn: usize) -> Result<()> {
        self.write(index, self.kind.status(turn, Timestamp::now()))
            .await
    }

    /// Merges this into an object's status.
    pub(crate) async fn write(&self, index: usize, status: Value) -> Result<()> {
        let status = json!({"status": status});
        let (name, params, patch) = (name(index), PatchParams::default(), Patch::Merge(&status));
        let objects = self.objects(index);
        objects
            .patch_status(&name, &params, &patch)
            .await
            .with_context(|| format!("writing the status of {name}"))?;
        Ok(())
    }

    /// The first object, as the API server has it.
    pub(crate) async fn first(&self) -> Result<DynamicObject> {
        Ok(self.objects(0).get(&name(0)).await?)
    }

    /// Waits until the API server's own watch cache is not behind a revision: what it answers costs
    /// no more than it must from then on.
    pub(crate) async fn caught_up(&self, revision: i64) -> Result<()> {
        let params = ListParams::default()
            .labels("none=such")
            .at(&revision.to_string());
        let all: Api<DynamicObject> = Api::all_with(self.client.clone(), &self.kind.resource());
        eventually("the API server to catch up", PATIENCE, async || {
            all.list_metadata(&params).await?;
            Ok(())
        })
        .await
    }

    async fn served(&self) -> Result<()> {
        let everything = ListParams::default();
        eventually(
            "our CRDs to be served",
            Duration::from_mins(1),
            async || {
                self.objects(0).list(&everything).await?;
                let contracts: Api<ConditionContract> = Api::all(self.client.clone());
                contracts.list(&everything).await?;
                let policies: Api<CircuitPolicy> = Api::all(self.client.clone());
                policies.list(&everything).await?;
                Ok(())
            },
        )
        .await
    }

    async fn create_first(&self) -> Result<()> {
        let object: DynamicObject = serde_json::from_value(self.kind.first(&name(0)))?;
        self.objects(0)
            .create(&PostParams::default(), &object)
            .await?;
        self.report(0, 0).await
    }

    /// The namespace of an object.
    pub(crate) fn objects(&self, index: usize) -> Api<DynamicObject> {
        let namespace = namespace(index / EACH);
        Api::namespaced_with(self.client.clone(), &namespace, &self.kind.resource())
    }
}

pub(crate) fn namespace(index: usize) -> String {
    format!("shop-{index}")
}

pub(crate) fn name(index: usize) -> String {
    format!("store-{index}")
}
