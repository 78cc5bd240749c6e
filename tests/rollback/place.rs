//! A place: a CRD that went from one schema to another, its objects in etcd, and the order to go back.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use fusegate::{
    effects::dispatch::Dispatcher,
    revision,
    runtime::clock::Clock,
    source::queue,
    wire::{
        effect::{Effect, Record, Rollback, Target},
        event::{Event, Revision, RollbackEnd},
    },
};
use fusegate_crds::{ConditionContract, IncidentRecord, Time};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::{
    api::apps::v1::ControllerRevision,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{
        ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
    },
};
use serde_json::{Value, json};

use crate::effects_kube::dispatcher;
use crate::support::{
    servers::apiserver::{ApiServer, unique},
    wait::eventually,
};

const SOON: Duration = Duration::from_mins(2);

pub(super) struct Place {
    pub(super) server: &'static ApiServer,
    pub(super) client: Client,
    pub(super) namespace: String,
    pub(super) group: String,
    dispatcher: Dispatcher,
    ends: queue::Receiver,
    /// The live revision as it is applied.
    live: Value,
    /// Goes from revision 2 to revision 1.
    pub(super) order: Rollback,
}

/// An object's schema whose `.spec` has one property.
pub(super) fn property(name: &str, schema: &Value) -> Value {
    json!({"type": "object", "properties": {name: schema}})
}

/// A version, with the schema of `.spec`.
pub(super) fn version(name: &str, spec: &Value, stored: bool) -> Value {
    json!({
        "name": name, "served": true, "storage": stored, "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {
            "spec": spec,
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        }}},
    })
}

impl Place {
    /// A CRD of one version whose `.spec` went from `target` to `live`.
    pub(super) async fn new(target: &Value, live: &Value) -> Result<Self> {
        let [target, live] = [target, live].map(|spec| json!([version("v1", spec, true)]));
        Self::with_versions(&target, &live, &json!({"strategy": "None"})).await
    }

    pub(super) async fn with_versions(
        target: &Value,
        live: &Value,
        conversion: &Value,
    ) -> Result<Self> {
        let server = ApiServer::shared().await?;
        let client = server.client().await?;
        for crd in fusegate_crds::all() {
            server.establish(&crd).await?;
        }
        let namespace = server.namespace("rollback").await?;
        let group = format!("{}.example.com", unique("rollback"));
        let spec = |versions: &Value| {
            json!({
                "group": group, "scope": "Namespaced", "conversion": conversion,
                "names": {"kind": "Foo", "plural": "foos"}, "versions": versions,
            })
        };
        let (target, live) = (spec(target), spec(live));
        let first = apply(&client, &target, "kubectl").await?;
        let second = apply(&client, &live, "kubectl").await?;
        let contract = contract(&client, &group).await?;
        let (dispatcher, ends) = dispatcher(client.clone(), &namespace)?;
        let [first, second] = [revision_of(&first, 1)?, revision_of(&second, 2)?];
        let crd = named(&format!("foos.{group}"), &second.crd_uid);
        let place = Self {
            server,
            client,
            namespace,
            group,
            dispatcher,
            ends,
            live,
            order: Rollback {
                contract: named(&contract.name_any(), &contract.uid().unwrap_or_default()),
                incident: revision::incident(&second.crd_uid, &second.hash).into(),
                trip: "trip-1".into(),
                crd,
                bad: second,
                target: first,
                owners: Vec::new(),
                cooldown: 600_000,
                by_person: false,
                shard: None,
                at: 1_700_000_000_000,
            },
        };
        place.record().await?;
        place.serves_live().await?;
        Ok(place)
    }

    async fn record(&self) -> Result<()> {
        for revision in [&self.order.target, &self.order.bad] {
            let record = Record {
                revision: revision.clone(),
                limit: 10,
            };
            self.dispatcher.dispatch(Effect::Record(record));
        }
        let revisions: Api<ControllerRevision> =
            Api::namespaced(self.client.clone(), &self.namespace);
        eventually("two revisions", SOON, async || {
            let stored = revisions.list(&ListParams::default()).await?.items.len();
            ensure!(stored == 2, "{stored}");
            Ok(())
        })
        .await
    }

    /// Waits until every version is served.
    async fn serves_live(&self) -> Result<()> {
        let crd: CustomResourceDefinition = serde_json::from_value(json!({
            "metadata": {"name": format!("foos.{}", self.group)}, "spec": self.live,
        }))?;
        self.server.establish(&crd).await
    }

    fn foos(&self) -> Api<DynamicObject> {
        let versions = self.live["versions"].as_array().into_iter().flatten();
        let mut stored = versions.filter(|version| version["storage"] == true);
        let version = stored.next().and_then(|version| version["name"].as_str());
        let kind = GroupVersionKind::gvk(&self.group, version.unwrap_or_default(), "Foo");
        let resource = ApiResource::from_gvk_with_plural(&kind, "foos");
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    /// Creates objects. The API server takes a moment to judge by a new schema, so it is asked until it does.
    pub(super) async fn objects(&self, count: usize, spec: &Value) -> Result<()> {
        let foos = self.foos();
        let url = foos.resource_url();
        let api_version = url.split('/').skip(2).take(2).collect::<Vec<_>>().join("/");
        let object = || {
            serde_json::from_value::<DynamicObject>(json!({
                "apiVersion": api_version, "kind": "Foo",
                "metadata": {"name": unique("foo")}, "spec": spec,
            }))
        };
        let trial = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        eventually("an object to keep its spec", SOON, async || {
            let created = foos.create(&trial, &object()?).await?;
            ensure!(created.data["spec"] == *spec, "{}", created.data);
            Ok(())
        })
        .await?;
        let create = async |_: usize| -> Result<()> {
            foos.create(&PostParams::default(), &object()?).await?;
            Ok(())
        };
        let creating = stream::iter(0..count).map(create).buffer_unordered(16);
        creating.try_collect::<()>().await
    }

    /// What etcd holds of the objects, by key.
    pub(super) async fn stored(&self) -> Result<BTreeMap<String, String>> {
        let prefix = format!("/registry/{}/foos/", self.group);
        let end = format!("/registry/{}/foos0", self.group);
        let range = json!({"key": base64(&prefix), "range_end": base64(&end)});
        let found = self.server.etcd("range", &range).await?;
        let pairs = found["kvs"].as_array().into_iter().flatten();
        let text = |pair: &Value, name: &str| pair[name].as_str().unwrap_or_default().to_owned();
        Ok(pairs
            .map(|pair| (text(pair, "key"), text(pair, "value")))
            .collect())
    }

    pub(super) fn dispatch(&self) {
        let order = Box::new(self.order.clone());
        self.dispatcher.dispatch(Effect::Rollback(order));
    }

    pub(super) async fn event(&mut self) -> Result<Event> {
        let event = tokio::time::timeout(SOON, self.ends.recv()).await?;
        event.context("the executor has ended")
    }

    /// Orders the rollback and waits for its end.
    pub(super) async fn roll_back(&mut self) -> Result<RollbackEnd> {
        self.dispatch();
        loop {
            if let Event::Outcome(outcome) = self.event().await? {
                return Ok(outcome.end);
            }
        }
    }

    /// Applies the live revision once more, as somebody.
    pub(super) async fn apply_live(&self, manager: &str) -> Result<()> {
        apply(&self.client, &self.live, manager).await.map(drop)
    }

    /// The number of the revision that is live.
    pub(super) async fn live_revision(&self) -> Result<u64> {
        let crds: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let crd = crds.get(&self.order.crd.name).await?;
        let hash = revision::hash(&serde_json::to_value(&crd.spec)?);
        let known = [&self.order.target, &self.order.bad];
        let known = known
            .into_iter()
            .find(|known| revision::hash(&known.spec) == hash);
        Ok(known.context("neither revision is live")?.number)
    }

    pub(super) async fn incidents(&self) -> Result<Vec<IncidentRecord>> {
        let contracts: Api<ConditionContract> = Api::all(self.client.clone());
        let contract = contracts.get(&self.order.contract.name).await?;
        Ok(contract.status.unwrap_or_default().incidents)
    }

    /// Notes that the CRD was rolled back a moment ago, for another incident.
    pub(super) async fn rolled_back_before(&self, id: &str) -> Result<()> {
        let contracts: Api<ConditionContract> = Api::all(self.client.clone());
        let incident = json!({
            "id": id, "crdUid": self.order.crd.uid, "state": "RolledBack",
            "at": Time::from_millis(Clock::start().now().wall.0),
        });
        let status = json!({
            "apiVersion": "fusegate.io/v1alpha1", "kind": "ConditionContract",
            "status": {"incidents": [incident]},
        });
        let params = PatchParams::apply("fusegate-rollback").force();
        let name = &self.order.contract.name;
        contracts
            .patch_status(name, &params, &Patch::Apply(status))
            .await?;
        Ok(())
    }
}

async fn apply(client: &Client, spec: &Value, manager: &str) -> Result<CustomResourceDefinition> {
    let name = format!("foos.{}", spec["group"].as_str().unwrap_or_default());
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": name}, "spec": spec,
    });
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let params = PatchParams::apply(manager).force();
    Ok(crds.patch(&name, &params, &Patch::Apply(crd)).await?)
}

async fn contract(client: &Client, group: &str) -> Result<ConditionContract> {
    let contract = serde_json::from_value(json!({
        "apiVersion": "fusegate.io/v1alpha1", "kind": "ConditionContract",
        "metadata": {"name": format!("foos.{group}")},
        "spec": {
            "target": {"group": group, "kind": "Foo"},
            "conditions": [{"key": "error-rate", "type": "Number"}],
            "rollback": {"mode": "Auto"},
        },
    }))?;
    let contracts: Api<ConditionContract> = Api::all(client.clone());
    Ok(contracts.create(&PostParams::default(), &contract).await?)
}

fn revision_of(crd: &CustomResourceDefinition, number: u64) -> Result<Revision> {
    let spec = serde_json::to_value(&crd.spec)?;
    Ok(Revision {
        crd: crd.name_any().into(),
        crd_uid: crd.uid().unwrap_or_default().into(),
        number,
        hash: revision::hash(&spec).into(),
        seen_at: i64::try_from(number)? * 1_000,
        bad: None,
        spec: Arc::new(spec),
    })
}

fn named(name: &str, uid: &str) -> Target {
    Target {
        namespace: "".into(),
        name: name.into(),
        uid: uid.into(),
    }
}

pub(super) fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
