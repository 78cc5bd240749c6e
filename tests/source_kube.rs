//! The Kubernetes source on a real API server: what is written there comes out as events, whatever happens to the server.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use fusegate::runtime::metrics::Metrics;
use fusegate::source::{
    kube::{KubeSource, Stopped, revision},
    queue,
};
use fusegate::wire::event::{self, Change, Event, Feed, GroupKind};
use k8s_openapi::{
    api::apps::v1::ControllerRevision,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::support::servers::apiserver::{ApiServer, unique};

const SOON: Duration = Duration::from_mins(1);
/// A running source and what it sends.
struct Running {
    events: queue::Receiver,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), Stopped>>,
}

impl Running {
    fn start(client: Client, namespace: &str) -> Self {
        let limits = queue::Limits {
            events: 64,
            bytes: 1 << 20,
        };
        let (sender, events) = queue::open(limits, Metrics::new());
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(KubeSource::new(client, namespace).run(sender, shutdown.clone()));
        Self {
            events,
            shutdown,
            task,
        }
    }

    /// Reads on until an event is what is waited for; returns that, and those before it.
    async fn until<T>(
        &mut self,
        what: &str,
        within: Duration,
        pick: impl Fn(&Event) -> Option<T>,
    ) -> Result<(T, Vec<Event>)> {
        let deadline = Instant::now() + within;
        let mut before = Vec::new();
        loop {
            let event = match timeout_at(deadline, self.events.recv()).await {
                Ok(event) => event.context("the source ended")?,
                Err(_) => {
                    bail!("waited {within:?} for {what}, which did not come; came: {before:#?}")
                }
            };
            if let Some(picked) = pick(&event) {
                return Ok((picked, before));
            }
            before.push(event);
        }
    }

    async fn until_confirmed(&mut self, feed: &Feed, within: Duration) -> Result<Vec<Event>> {
        let is = |event: &Event| {
            matches!(event, Event::Confirmed(confirmed) if confirmed == feed).then_some(())
        };
        Ok(self
            .until(&format!("Confirmed({feed:?})"), within, is)
            .await?
            .1)
    }

    async fn until_interrupted(&mut self, feed: &Feed, within: Duration) -> Result<String> {
        let why = |event: &Event| match event {
            Event::Interrupted(interrupted, why) if interrupted == feed => Some(why.to_string()),
            _ => None,
        };
        Ok(self
            .until(&format!("Interrupted({feed:?})"), within, why)
            .await?
            .0)
    }

    /// The `.status` of an object as it is applied, as soon as a test on it holds.
    async fn until_status(
        &mut self,
        name: &str,
        within: Duration,
        status: &Value,
    ) -> Result<Vec<Event>> {
        let pick = |event: &Event| {
            let Event::Object(_, Change::Applied(object)) = event else {
                return None;
            };
            let text = object.status.as_ref()?.get();
            (&*object.meta.name == name && serde_json::from_str::<Value>(text).ok()? == *status)
                .then_some(())
        };
        Ok(self
            .until(&format!("{name} with status {status}"), within, pick)
            .await?
            .1)
    }

    async fn stop(mut self) -> Result<()> {
        self.shutdown.cancel();
        self.events.close();
        tokio::time::timeout(SOON, self.task)
            .await
            .context("the source did not stop")???;
        Ok(())
    }
}

/// A kind of its own group, its contract, and a namespace.
struct Shop {
    client: Client,
    namespace: String,
    group: String,
}

impl Shop {
    async fn new(server: &ApiServer) -> Result<Self> {
        for crd in fusegate_crds::all() {
            server.establish(&crd).await?;
        }
        Ok(Self {
            client: server.client().await?,
            namespace: server.namespace("source").await?,
            group: format!("{}.example.com", unique("shop")),
        })
    }

    fn kind(&self) -> GroupKind {
        GroupKind::new(self.group.as_str(), "Storefront")
    }

    fn feed(&self) -> Feed {
        Feed::Objects(self.kind())
    }

    fn crd_name(&self) -> String {
        format!("storefronts.{}", self.group)
    }

    /// The CRD; `storage` names the stored one of its two versions.
    fn crd(&self, storage: &str) -> Result<CustomResourceDefinition> {
        let version = |name: &str| {
            json!({
                "name": name, "served": name == storage, "storage": name == storage,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            })
        };
        Ok(serde_json::from_value(json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": self.crd_name()},
            "spec": {
                "group": self.group, "scope": "Namespaced",
                "names": {"kind": "Storefront", "plural": "storefronts", "singular": "storefront"},
                "versions": [version("v1"), version("v2")],
            },
        }))?)
    }

    fn storefronts(&self, version: &str) -> Api<DynamicObject> {
        Api::namespaced_with(
            self.client.clone(),
            &self.namespace,
            &self.resource(version),
        )
    }

    fn resource(&self, version: &str) -> ApiResource {
        ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk(&self.group, version, "Storefront"),
            "storefronts",
        )
    }

    async fn create(&self, name: &str) -> Result<()> {
        let mut object =
            DynamicObject::new(name, &self.resource("v1")).data(json!({"spec": {"size": 1}}));
        object.metadata.annotations = Some(
            [
                ("fusegate.io/note".into(), "kept".into()),
                ("other.io/note".into(), "dropped".into()),
            ]
            .into(),
        );
        self.storefronts("v1")
            .create(&PostParams::default(), &object)
            .await?;
        Ok(())
    }

    async fn write_status(&self, name: &str, status: &Value) -> Result<()> {
        let patch = Patch::Merge(json!({"status": status}));
        self.storefronts("v1")
            .patch_status(name, &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }

    /// Writes one of our own kinds as plain JSON.
    async fn apply_own(
        &self,
        kind: &str,
        plural: &str,
        namespace: Option<&str>,
        name: &str,
        spec: Value,
    ) -> Result<()> {
        let resource = ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk("fusegate.io", "v1alpha1", kind),
            plural,
        );
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        let object = DynamicObject::new(name, &resource).data(json!({"spec": spec}));
        let params = PatchParams::apply("tests").force();
        api.patch(name, &params, &Patch::Apply(&object)).await?;
        Ok(())
    }

    async fn apply_contract(&self) -> Result<()> {
        let spec = json!({
            "target": {"group": self.group, "kind": "Storefront"},
            "conditions": [{"key": "network-latency", "type": "Duration"}],
            "rollback": {"mode": "Off"},
        });
        self.apply_own(
            "ConditionContract",
            "conditioncontracts",
            None,
            &self.crd_name(),
            spec,
        )
        .await
    }

    async fn delete_contract(&self) -> Result<()> {
        let name = self.crd_name();
        self.delete_own("ConditionContract", "conditioncontracts", &name)
            .await
    }

    /// Deletes one of our own cluster-scoped kinds.
    async fn delete_own(&self, kind: &str, plural: &str, name: &str) -> Result<()> {
        let kind = GroupVersionKind::gvk("fusegate.io", "v1alpha1", kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, plural);
        let all: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        all.delete(name, &DeleteParams::default()).await?;
        Ok(())
    }

    fn start(&self) -> Running {
        Running::start(self.client.clone(), &self.namespace)
    }
}

fn position(events: &[Event], what: &str, is: impl Fn(&Event) -> bool) -> Result<usize> {
    events
        .iter()
        .position(is)
        .with_context(|| format!("no {what} among {events:#?}"))
}

#[tokio::test]
async fn a_kind_is_listed_confirmed_and_followed_from_write_to_delete() -> Result<()> {
    let server = ApiServer::shared().await?;
    let shop = Shop::new(server).await?;
    server.establish(&shop.crd("v1")?).await?;
    shop.create("checkout").await?;
    shop.apply_contract().await?;
    let mut source = shop.start();
    let feed = shop.feed();

    let before = source.until_confirmed(&feed, SOON).await?;
    let listing = position(
        &before,
        "Listing",
        |event| matches!(event, Event::Listing(of) if *of == feed),
    )?;
    // Contracts of other tests have objects, too.
    let applied = position(
        &before,
        "Applied",
        |event| matches!(event, Event::Object(kind, _) if *kind == shop.kind()),
    )?;
    let listed = position(
        &before,
        "Listed",
        |event| matches!(event, Event::Listed(of) if *of == feed),
    )?;
    assert!(listing < applied && applied < listed);
    let Event::Object(kind, Change::Applied(object)) = &before[applied] else {
        bail!("not applied")
    };
    assert_eq!(*kind, shop.kind());
    assert_eq!(
        object.meta.annotations.keys().collect::<Vec<_>>(),
        ["fusegate.io/note"]
    );
    assert_eq!(&*object.meta.namespace, shop.namespace);
    let crd = before.iter().find_map(|event| match event {
        Event::Crd(Change::Applied(crd)) if *crd.meta.name == shop.crd_name() => Some(crd),
        _ => None,
    });
    let crd = crd.context("the CRD did not come")?;
    assert!(crd.established && crd.namespaced && !crd.managers.is_empty());
    assert_eq!(crd.stored_versions, ["v1"]);

    let status = json!({"conditions": {"network-latency": "120ms", "deep": [1.5, {"a": "b"}]}});
    shop.write_status("checkout", &status).await?;
    source.until_status("checkout", SOON, &status).await?;
    shop.storefronts("v1")
        .delete("checkout", &DeleteParams::default())
        .await?;
    let deleted = |event: &Event| {
        matches!(event, Event::Object(kind, Change::Deleted(_)) if *kind == shop.kind())
            .then_some(())
    };
    source.until("Deleted", SOON, deleted).await?;
    source.stop().await
}

#[tokio::test]
async fn an_absent_kind_is_watched_once_it_appears_and_follows_its_version() -> Result<()> {
    let server = ApiServer::shared().await?;
    let shop = Shop::new(server).await?;
    shop.apply_contract().await?;
    let mut source = shop.start();
    let feed = shop.feed();

    let why = source.until_interrupted(&feed, SOON).await?;
    ensure!(
        why.contains("Storefront") && why.contains(&shop.group),
        "{why}"
    );
    server.establish(&shop.crd("v1")?).await?;
    source.until_confirmed(&feed, SOON).await?;
    shop.create("checkout").await?;
    let applied = |event: &Event| {
        matches!(event, Event::Object(kind, _) if *kind == shop.kind()).then_some(())
    };
    source.until("the first object", SOON, applied).await?;

    let crds: Api<CustomResourceDefinition> = Api::all(shop.client.clone());
    let params = PatchParams::apply("tests").force();
    crds.patch(&shop.crd_name(), &params, &Patch::Apply(&shop.crd("v2")?))
        .await?;
    let relisted =
        |event: &Event| matches!(event, Event::Listing(of) if *of == shop.feed()).then_some(());
    source
        .until("a list in the new version", SOON, relisted)
        .await?;
    source.until_confirmed(&feed, SOON).await?;

    crds.delete(&shop.crd_name(), &DeleteParams::default())
        .await?;
    let gone = |event: &Event| matches!(event, Event::Crd(Change::Deleted(_))).then_some(());
    source.until("the CRD's end", SOON, gone).await?;
    source.stop().await
}

#[tokio::test]
async fn a_contract_starts_the_watch_of_its_crd_and_its_end_stops_it() -> Result<()> {
    let server = ApiServer::shared().await?;
    let shop = Shop::new(server).await?;
    server.establish(&shop.crd("v1")?).await?;
    let mut source = shop.start();
    source.until_confirmed(&Feed::Crds, SOON).await?;

    shop.apply_contract().await?;
    let before = source.until_confirmed(&shop.feed(), SOON).await?;
    position(
        &before,
        "Crd",
        |event| matches!(event, Event::Crd(Change::Applied(crd)) if *crd.meta.name == shop.crd_name()),
    )?;
    shop.delete_contract().await?;
    let gone = |event: &Event| {
        matches!(event, Event::Contract(Change::Deleted(of)) if *of.meta.name == shop.crd_name())
            .then_some(())
    };
    source.until("the contract's end", SOON, gone).await?;
    shop.create("unseen").await?;
    let feed = Feed::Policies;
    source.until_confirmed(&feed, SOON).await?;
    let before = source.until_confirmed(&feed, SOON).await?;
    let ours = |event: &Event| matches!(event, Event::Object(kind, _) if *kind == shop.kind());
    assert!(
        !before.iter().any(ours),
        "an object of a kind without a contract came: {before:#?}"
    );
    source.stop().await
}

/// Whether an event is that a kind is served without a CRD.
fn resource_of(event: &Event, of: &GroupKind) -> Option<Change<event::ApiResource>> {
    match event {
        Event::ApiResource(change) if change.get().target == *of => Some(change.clone()),
        _ => None,
    }
}

#[rstest]
#[case::of_apps("apps", "StatefulSet", true)]
#[case::of_the_core_group("", "PersistentVolume", false)]
#[tokio::test]
async fn a_built_in_kind_is_found_by_discovery_and_followed(
    #[case] group: &str,
    #[case] kind: &str,
    #[case] namespaced: bool,
) -> Result<()> {
    let server = ApiServer::shared().await?;
    let shop = Shop::new(server).await?;
    let mut source = shop.start();
    source.until_confirmed(&Feed::Crds, SOON).await?;
    let target = GroupKind::new(group, kind);
    let feed = Feed::Objects(target.clone());
    let contract = |version: &str| {
        json!({
            "target": {"group": group, "kind": kind, "version": version},
            "conditions": [{"key": "outdated", "type": "Boolean", "from": {"cel": "object.metadata.generation != object.status.observedGeneration"}}],
            "rollback": {"mode": "Off"},
        })
    };
    let name = format!("{}.{}", kind.to_lowercase(), shop.group);
    let apply = async |version: &str| {
        let own = ("ConditionContract", "conditioncontracts");
        shop.apply_own(own.0, own.1, None, &name, contract(version))
            .await
    };

    apply("v9").await?;
    let why = source.until_interrupted(&feed, SOON).await?;
    ensure!(why.contains("not served in version v9; name v1"), "{why}");
    apply("v1").await?;
    source.until_confirmed(&feed, SOON).await?;
    shop.delete_own("ConditionContract", "conditioncontracts", &name)
        .await?;
    let gone = |event: &Event| resource_of(event, &target);
    let (change, _) = source.until("the kind's end", SOON, gone).await?;
    let Change::Deleted(resource) = change else {
        bail!("{change:?}")
    };
    assert_eq!(
        (&*resource.version, resource.namespaced),
        ("v1", namespaced)
    );
    source.stop().await
}

#[tokio::test]
async fn of_spec_and_metadata_comes_what_the_contract_reads_and_no_more() -> Result<()> {
    let server = ApiServer::shared().await?;
    let shop = Shop::new(server).await?;
    server.establish(&shop.crd("v1")?).await?;
    shop.create("checkout").await?;
    let spec = json!({
        "target": {"group": shop.group, "kind": "Storefront"},
        "conditions": [
            {"key": "size", "type": "Integer", "from": {"path": ".spec.size"}},
            {"key": "outdated", "type": "Boolean", "from": {"cel": "object.metadata.generation != object.status.observedGeneration"}},
        ],
        "rollback": {"mode": "Off"},
    });
    let own = ("ConditionContract", "conditioncontracts");
    shop.apply_own(own.0, own.1, None, &shop.crd_name(), spec)
        .await?;
    let mut source = shop.start();
    let ours = |event: &Event| match event {
        Event::Object(kind, Change::Applied(object)) if *kind == shop.kind() => {
            Some(object.clone())
        }
        _ => None,
    };

    let (object, _) = source.until("the object", SOON, ours).await?;
    let rest = object.rest.context("nothing came of it")?;
    let rest: Value = serde_json::from_str(rest.get())?;
    assert_eq!(
        rest,
        json!({"metadata": {"generation": 1}, "spec": {"size": 1}})
    );
    shop.apply_contract().await?;
    let (object, _) = source.until("the object once more", SOON, ours).await?;
    ensure!(object.rest.is_none(), "{object:?}");
    source.stop().await
}

#[tokio::test]
async fn a_policy_that_can_t_be_used_is_an_answer_and_stops_nothing() -> Result<()> {
    let server = ApiServer::shared().await?;
    let shop = Shop::new(server).await?;
    let spec = |above: &str, layer: &str| {
        json!({
            "contract": "c", "selector": {}, "mode": "Observe", "mesh": {"layer": layer},
            "trip": {"when": [{"condition": "network-latency", "above": above}]},
        })
    };
    let namespace = Some(shop.namespace.as_str());
    let good = shop.namespace.clone();
    shop.apply_own(
        "CircuitPolicy",
        "circuitpolicies",
        namespace,
        "bad",
        spec("250ms", "another"),
    )
    .await?;
    let mut source = shop.start();
    let policy = |name: &'static str| {
        let namespace = shop.namespace.clone();
        move |event: &Event| match event {
            Event::Policy(Change::Applied(policy))
                if *policy.meta.name == *name && *policy.meta.namespace == namespace =>
            {
                Some(policy.spec.clone())
            }
            _ => None,
        }
    };
    let (bad, _) = source.until("the bad policy", SOON, policy("bad")).await?;
    let reasons = bad.err().context("it was taken for good")?;
    ensure!(
        reasons
            .iter()
            .any(|reason| reason.contains("spec.mesh.layer")),
        "{reasons:?}"
    );
    shop.apply_own(
        "CircuitPolicy",
        "circuitpolicies",
        namespace,
        "good",
        spec("250ms", &good),
    )
    .await?;
    let (good, _) = source
        .until("the good policy", SOON, policy("good"))
        .await?;
    assert!(good.is_ok(), "{good:?}");
    source.stop().await
}

#[tokio::test]
async fn a_stored_revision_comes_back_and_its_mark_goes_with_the_annotation() -> Result<()> {
    let server = ApiServer::shared().await?;
    let shop = Shop::new(server).await?;
    let stored = fusegate::wire::event::Revision {
        crd: shop.crd_name().into(),
        crd_uid: "u1".into(),
        number: 3,
        hash: "abc".into(),
        seen_at: 1_700_000_000_000,
        bad: Some("trip-1".into()),
        spec: std::sync::Arc::new(json!({"group": shop.group})),
    };
    let revisions: Api<ControllerRevision> = Api::namespaced(shop.client.clone(), &shop.namespace);
    revisions
        .create(
            &PostParams::default(),
            &revision::to_object(&stored, &shop.namespace)?,
        )
        .await?;
    let mut source = shop.start();
    let seen = |event: &Event| match event {
        Event::Revision(Change::Applied(revision)) => Some(revision.clone()),
        _ => None,
    };
    assert_eq!(source.until("the revision", SOON, seen).await?.0, stored);
    let unmark = json!({"metadata": {"annotations": {revision::BAD_ANNOTATION: null}}});
    let name = revision::object_name(&stored.crd, stored.number);
    revisions
        .patch(&name, &PatchParams::default(), &Patch::Merge(unmark))
        .await?;
    assert_eq!(
        source.until("the cleared mark", SOON, seen).await?.0.bad,
        None
    );
    source.stop().await
}

#[tokio::test]
async fn an_outage_is_noticed_and_nothing_that_happened_in_it_is_missed() -> Result<()> {
    let mut server = ApiServer::start().await?;
    let shop = Shop::new(&server).await?;
    server.establish(&shop.crd("v1")?).await?;
    shop.create("checkout").await?;
    shop.apply_contract().await?;
    let mut source = shop.start();
    let feed = shop.feed();
    source.until_confirmed(&feed, SOON).await?;

    server.pause_etcd().await?;
    let why = source.until_interrupted(&feed, SOON).await?;
    ensure!(why.contains("etcd"), "{why}");
    server.resume_etcd()?;
    source.until_confirmed(&feed, SOON).await?;

    server.pause_apiserver().await?;
    source.until_interrupted(&feed, SOON).await?;
    server.resume_apiserver()?;
    source.until_confirmed(&feed, SOON).await?;

    server.stop_apiserver()?;
    let why = source.until_interrupted(&feed, SOON).await?;
    ensure!(why.contains("can't be reached"), "{why}");
    server.start_apiserver().await?;
    let status = json!({"conditions": {"network-latency": "1s"}});
    shop.write_status("checkout", &status).await?;
    source.until_status("checkout", SOON, &status).await?;
    source.until_confirmed(&feed, SOON).await?;
    source.stop().await
}

#[tokio::test]
async fn a_source_without_a_server_says_so_for_every_feed_and_stops_when_told() -> Result<()> {
    let config = kube::Config::new("http://127.0.0.1:1".parse()?);
    let mut source = Running::start(Client::try_from(config)?, "fusegate");
    let mut silent = vec![
        Feed::Contracts,
        Feed::Policies,
        Feed::Overrides,
        Feed::Revisions,
    ];
    while !silent.is_empty() {
        let interrupted = |event: &Event| match event {
            Event::Interrupted(feed, why) => Some((feed.clone(), why.to_string())),
            _ => None,
        };
        let ((feed, why), before) = source.until("an interruption", SOON, interrupted).await?;
        ensure!(why.contains("can't be reached"), "{why}");
        ensure!(before.is_empty(), "{before:#?}");
        silent.retain(|other| *other != feed);
    }
    source.stop().await
}
