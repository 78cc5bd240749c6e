//! Effects on a real API server: statuses, Events, revisions, rollbacks and the lease.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use fusegate::{
    breaker::time::Span,
    effects::{
        cluster::Cluster,
        dispatch::{Backend, Config, Dispatcher},
    },
    revision::{self, hash},
    runtime::{clock::Clock, leader, metrics::Metrics, shard::Shard, tenure::Tenure},
    source::queue,
    wire::{
        effect::{
            Acceptance, Effect, KubeEvent, Opening, Record, Regarding, Rollback, StatusWrite,
            Target,
        },
        event::{Event, Outcome, Revision, RollbackEnd},
    },
};
use fusegate_crds::{
    CircuitOverride, CircuitPolicy, CircuitPolicyStatus, ConditionContract,
    ConditionContractStatus, IncidentState,
};
use k8s_openapi::{
    api::{apps::v1::ControllerRevision, coordination::v1::Lease},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::support::{
    servers::apiserver::{ApiServer, unique},
    wait::eventually,
};

const SOON: Duration = Duration::from_mins(1);

/// A namespace and an API group of a test's own, and a leading dispatcher.
struct World {
    client: Client,
    namespace: String,
    group: String,
    dispatcher: Dispatcher,
    ends: queue::Receiver,
}

impl World {
    async fn new() -> Result<Self> {
        let server = ApiServer::shared().await?;
        let client = server.client().await?;
        for crd in fusegate_crds::all() {
            server.establish(&crd).await?;
        }
        let namespace = server.namespace("effects").await?;
        let (dispatcher, ends) = dispatcher(client.clone(), &namespace)?;
        Ok(Self {
            client,
            namespace,
            group: format!("{}.example.com", unique("effects")),
            dispatcher,
            ends,
        })
    }

    async fn drained(self) -> Client {
        self.dispatcher.drain(Span::from_secs(20)).await;
        self.client
    }

    fn crds(&self) -> Api<CustomResourceDefinition> {
        Api::all(self.client.clone())
    }

    fn contracts(&self) -> Api<ConditionContract> {
        Api::all(self.client.clone())
    }

    fn revisions(&self) -> Api<ControllerRevision> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn crd_name(&self) -> String {
        format!("foos.{}", self.group)
    }

    async fn contract(&self) -> Result<ConditionContract> {
        let contract = serde_json::from_value(json!({
            "apiVersion": "fusegate.io/v1alpha1",
            "kind": "ConditionContract",
            "metadata": {"name": self.crd_name()},
            "spec": {
                "target": {"group": self.group, "kind": "Foo"},
                "conditions": [{"key": "error-rate", "type": "Number"}],
                "rollback": {"mode": "Auto"},
            },
        }))?;
        Ok(self
            .contracts()
            .create(&PostParams::default(), &contract)
            .await?)
    }

    async fn policy(&self) -> Result<CircuitPolicy> {
        let policy = serde_json::from_value(json!({
            "apiVersion": "fusegate.io/v1alpha1",
            "kind": "CircuitPolicy",
            "metadata": {"name": "checkout"},
            "spec": {
                "contract": "foos", "selector": {}, "mode": "Enforce",
                "trip": {"when": [{"condition": "error-rate", "above": "0.5"}]},
            },
        }))?;
        let policies: Api<CircuitPolicy> = Api::namespaced(self.client.clone(), &self.namespace);
        Ok(policies.create(&PostParams::default(), &policy).await?)
    }

    /// A CRD as `manager` applies it, whose one property is at most `maximum`.
    async fn apply_crd(&self, manager: &str, maximum: u32) -> Result<CustomResourceDefinition> {
        let size = json!({"type": "integer", "maximum": maximum});
        let crd = json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": self.crd_name()},
            "spec": {
                "group": self.group, "scope": "Namespaced",
                "names": {"kind": "Foo", "plural": "foos"},
                "versions": [{
                    "name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"size": size}}},
                }],
            },
        });
        let params = PatchParams::apply(manager).force();
        let applied = self
            .crds()
            .patch(&self.crd_name(), &params, &Patch::Apply(crd))
            .await?;
        let established = kube::runtime::conditions::is_crd_established();
        kube::runtime::wait::await_condition(self.crds(), &self.crd_name(), established).await?;
        Ok(applied)
    }

    /// The CRD at revision 1, then 2, both recorded, and the order to go back.
    async fn story(&self, manager: &str) -> Result<Rollback> {
        let contract = self.contract().await?;
        let first = revision_of(&self.apply_crd(manager, 5).await?, 1)?;
        let crd = self.apply_crd(manager, 1).await?;
        let second = revision_of(&crd, 2)?;
        for revision in [&first, &second] {
            let revision = revision.clone();
            self.dispatcher.dispatch(Effect::Record(Record {
                revision,
                limit: 10,
            }));
        }
        eventually("two revisions", SOON, async || {
            let stored = self
                .revisions()
                .list(&ListParams::default())
                .await?
                .items
                .len();
            ensure!(stored == 2, "{stored}");
            Ok(())
        })
        .await?;
        Ok(Rollback {
            contract: target(&contract),
            incident: revision::incident(&crd.uid().unwrap_or_default(), &second.hash).into(),
            trip: "trip-1".into(),
            crd: target(&crd),
            bad: second,
            target: first,
            owners: Vec::new(),
            cooldown: 600_000,
            by_person: false,
            shard: None,
            at: 1_700_000_000_000,
        })
    }

    async fn order(&mut self, order: &Rollback) -> Result<RollbackEnd> {
        let effect = Effect::Rollback(Box::new(order.clone()));
        self.dispatcher.dispatch(effect);
        self.end().await
    }

    async fn end(&mut self) -> Result<RollbackEnd> {
        end(&mut self.ends).await
    }

    /// The incidents on the contract: state and reason.
    async fn incidents(&self) -> Result<Vec<(IncidentState, Option<String>)>> {
        let contract = self.contracts().get(&self.crd_name()).await?;
        let incidents = contract.status.unwrap_or_default().incidents;
        Ok(incidents
            .into_iter()
            .map(|each| (each.state, each.reason))
            .collect())
    }
}

/// What executes effects as the leader, and what it answers.
pub(crate) fn dispatcher(client: Client, namespace: &str) -> Result<(Dispatcher, queue::Receiver)> {
    let limits = queue::Limits {
        events: 8,
        bytes: 1 << 20,
    };
    let (reports, ends) = queue::open(limits, Metrics::new());
    let dispatcher = Dispatcher::start(Config {
        backend: Backend::Kube {
            cluster: Cluster {
                client,
                namespace: namespace.to_owned(),
            },
            instance: "test-0".to_owned(),
        },
        audit: None,
        alertmanagers: Vec::new(),
        reports,
        clock: Clock::start(),
        tenure: Tenure::endless(Clock::start()),
        metrics: Metrics::new(),
    })?;
    dispatcher.set_leading(true);
    Ok((dispatcher, ends))
}

async fn end(ends: &mut queue::Receiver) -> Result<RollbackEnd> {
    let event = tokio::time::timeout(SOON, ends.recv()).await?;
    match event.context("the executor has ended")? {
        Event::Outcome(Outcome { end, .. }) => Ok(end),
        other => anyhow::bail!("{other:?}"),
    }
}

fn target(object: &impl kube::ResourceExt) -> Target {
    Target {
        namespace: object.namespace().unwrap_or_default().into(),
        name: object.name_any().into(),
        uid: object.uid().unwrap_or_default().into(),
    }
}

fn revision_of(crd: &CustomResourceDefinition, number: u64) -> Result<Revision> {
    let spec = serde_json::to_value(&crd.spec)?;
    Ok(Revision {
        crd: crd.name_any().into(),
        crd_uid: crd.uid().unwrap_or_default().into(),
        number,
        hash: hash(&spec).into(),
        seen_at: i64::try_from(number)? * 1_000,
        bad: None,
        spec: Arc::new(spec),
    })
}

fn open(target: Target, open: i64) -> Effect {
    Effect::PolicyStatus(StatusWrite {
        target,
        status: Arc::new(CircuitPolicyStatus {
            open,
            ..CircuitPolicyStatus::default()
        }),
        opening: Opening::None,
    })
}

#[tokio::test]
async fn the_newest_status_of_a_policy_reaches_its_status_subresource() -> Result<()> {
    let world = World::new().await?;
    let policy = world.policy().await?;
    for number in 1..=50 {
        world.dispatcher.dispatch(open(target(&policy), number));
    }
    let namespace = world.namespace.clone();
    let policies: Api<CircuitPolicy> = Api::namespaced(world.drained().await, &namespace);
    let after = policies.get("checkout").await?;
    assert_eq!(after.status.context("no status")?.open, 50);
    assert_eq!(after.metadata.generation, Some(1));
    Ok(())
}

#[tokio::test]
async fn a_status_lands_whoever_else_has_written_the_object_since() -> Result<()> {
    let world = World::new().await?;
    let policy = world.policy().await?;
    let policies: Api<CircuitPolicy> = Api::namespaced(world.client.clone(), &world.namespace);
    for number in 1..=3 {
        world.dispatcher.dispatch(open(target(&policy), number));
        eventually("the status", SOON, async || {
            let status = policies.get("checkout").await?.status;
            ensure!(
                status.as_ref().is_some_and(|status| status.open == number),
                "{status:?}"
            );
            Ok(())
        })
        .await?;
        let patch = json!({"metadata": {"labels": {"edited": number.to_string()}}});
        let params = PatchParams::default();
        policies
            .patch("checkout", &params, &Patch::Merge(patch))
            .await?;
    }
    let delete = DeleteParams::default();
    policies.delete("checkout", &delete).await?;
    let anew = world.policy().await?;
    world.dispatcher.dispatch(open(target(&policy), 4));
    world.dispatcher.drain(Span::from_secs(20)).await;
    let after = policies.get("checkout").await?;
    assert_eq!(
        (after.uid(), after.status.map(|status| status.open)),
        (anew.uid(), None)
    );
    Ok(())
}

#[tokio::test]
async fn what_a_trip_sheds_is_recorded_before_it_is_published() -> Result<()> {
    let mut world = World::new().await?;
    let policy = world.policy().await?;
    for number in 1..=200 {
        let other = Target {
            name: format!("other-{number}").into(),
            ..target(&policy)
        };
        world.dispatcher.dispatch(open(other, 1));
    }
    world.dispatcher.dispatch(open(target(&policy), 1));
    let mut effects = vec![open(target(&policy), 2)];
    for effect in &mut effects {
        if let Effect::PolicyStatus(write) = effect {
            write.opening = Opening::Unrecorded;
        }
    }
    effects.push(Effect::RemoveOverride(target(&policy)));
    world.dispatcher.begin(&mut effects, true).await;
    let policies: Api<CircuitPolicy> = Api::namespaced(world.client.clone(), &world.namespace);
    let stored = policies.get("checkout").await?.status;
    assert_eq!(stored.map(|status| status.open), Some(2));
    let [Effect::RemoveOverride(_)] = &*effects else {
        anyhow::bail!("{effects:?}");
    };
    Ok(())
}

#[tokio::test]
async fn a_status_meant_for_an_object_that_was_made_anew_does_not_land() -> Result<()> {
    let world = World::new().await?;
    let policy = world.policy().await?;
    let old = Target {
        uid: "11111111-2222-3333-4444-555555555555".into(),
        ..target(&policy)
    };
    world.dispatcher.dispatch(open(old, 7));
    let namespace = world.namespace.clone();
    let policies: Api<CircuitPolicy> = Api::namespaced(world.drained().await, &namespace);
    let after = policies.get("checkout").await?;
    assert_eq!(after.status.map(|status| status.open), None);
    Ok(())
}

#[tokio::test]
async fn an_override_is_answered_and_removed_only_while_it_is_the_one() -> Result<()> {
    let world = World::new().await?;
    let overrides: Api<CircuitOverride> = Api::namespaced(world.client.clone(), &world.namespace);
    let object = serde_json::from_value(json!({
        "apiVersion": "fusegate.io/v1alpha1", "kind": "CircuitOverride",
        "metadata": {"name": "calm"},
        "spec": {"policy": "checkout", "state": "Observe", "until": "2026-11-22T00:00:00Z", "reason": "a test"},
    }))?;
    let created = overrides.create(&PostParams::default(), &object).await?;
    world
        .dispatcher
        .dispatch(Effect::OverrideAccepted(Acceptance {
            target: target(&created),
            generation: 1,
            accepted: false,
            reason: "Expired".into(),
            message: "It is over.".into(),
            at: 1_700_000_000_000,
        }));
    eventually("the condition", SOON, async || {
        let status = overrides.get("calm").await?.status.context("no status")?;
        ensure!(status.conditions[0].reason == "Expired", "{status:?}");
        Ok(())
    })
    .await?;
    let other = Target {
        uid: "11111111-2222-3333-4444-555555555555".into(),
        ..target(&created)
    };
    world.dispatcher.dispatch(Effect::RemoveOverride(other));
    let (again, ends) = dispatcher(world.client.clone(), &world.namespace)?;
    world.drained().await;
    assert!(overrides.get_opt("calm").await?.is_some());
    again.dispatch(Effect::RemoveOverride(target(&created)));
    again.drain(Span::from_secs(20)).await;
    assert!(overrides.get_opt("calm").await?.is_none());
    drop(ends);
    Ok(())
}

#[tokio::test]
async fn an_event_that_is_told_twice_is_there_once() -> Result<()> {
    let world = World::new().await?;
    let policy = world.policy().await?;
    let contract = world.contract().await?;
    let note = |kind: &str, target: Target| KubeEvent {
        regarding: Regarding {
            api_version: "fusegate.io/v1alpha1".into(),
            kind: kind.into(),
            target,
        },
        warning: true,
        reason: "Tripped",
        action: "Open",
        note: "é".repeat(2_000).into(),
        once: "trip-1".into(),
        at: 1_700_000_000_000,
    };
    for _ in 0..2 {
        let (dispatcher, _ends) = dispatcher(world.client.clone(), &world.namespace)?;
        dispatcher.dispatch(Effect::KubeEvent(note("CircuitPolicy", target(&policy))));
        dispatcher.dispatch(Effect::KubeEvent(note(
            "ConditionContract",
            target(&contract),
        )));
        dispatcher.drain(Span::from_secs(20)).await;
    }
    for name in ["checkout".to_owned(), world.crd_name()] {
        let events: Api<k8s_openapi::api::events::v1::Event> = Api::all(world.client.clone());
        let all = events.list(&ListParams::default()).await?.items;
        let found: Vec<_> = all
            .iter()
            .filter(|event| event.name_any().starts_with(&format!("{name}.")))
            .filter(|event| {
                event.namespace().as_ref() == Some(&world.namespace) || name != "checkout"
            })
            .collect();
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert_eq!(
            found[0].reporting_controller.as_deref(),
            Some("fusegate.io/fusegate")
        );
        assert_eq!(found[0].type_.as_deref(), Some("Warning"));
    }
    Ok(())
}

#[tokio::test]
async fn revisions_are_kept_once_each_up_to_the_limit() -> Result<()> {
    let world = World::new().await?;
    for maximum in [9, 8, 7, 6, 5, 5, 5] {
        let crd = world.apply_crd("kubectl", maximum).await?;
        // All claim to be the first: each gets the next free number.
        let mut revision = revision_of(&crd, 1)?;
        revision.seen_at = i64::from(10 - maximum);
        world
            .dispatcher
            .dispatch(Effect::Record(Record { revision, limit: 3 }));
    }
    let revisions = world.revisions();
    world.drained().await;
    let stored = revisions.list(&ListParams::default()).await?.items;
    let mut numbers: Vec<_> = stored.iter().map(|each| each.revision).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [3, 4, 5]);
    Ok(())
}

#[tokio::test]
async fn a_crd_is_rolled_back_once_per_incident() -> Result<()> {
    let mut world = World::new().await?;
    let order = world.story("kubectl").await?;
    assert_eq!(world.order(&order).await?, RollbackEnd::Done);
    let crd = world.crds().get(&world.crd_name()).await?;
    assert_eq!(hash(&serde_json::to_value(&crd.spec)?), *order.target.hash);
    assert_eq!(crd.metadata.generation, Some(3));
    assert_eq!(
        world.incidents().await?,
        [(IncidentState::RolledBack, None)]
    );
    let bad = world
        .revisions()
        .get(&format!("{}-2", world.crd_name()))
        .await?;
    assert_eq!(
        bad.annotations().get("fusegate.io/bad").map(String::as_str),
        Some("trip-1")
    );
    assert_eq!(world.order(&order).await?, RollbackEnd::Joined);
    // The status executor writes its own part, and leaves the incidents alone.
    world
        .dispatcher
        .dispatch(Effect::ContractStatus(StatusWrite {
            target: order.contract.clone(),
            status: Arc::new(ConditionContractStatus {
                crd: Some("it".into()),
                ..ConditionContractStatus::default()
            }),
            opening: Opening::None,
        }));
    eventually("the contract's status", SOON, async || {
        let status = world
            .contracts()
            .get(&world.crd_name())
            .await?
            .status
            .context("no status")?;
        ensure!(
            status.crd.as_deref() == Some("it") && status.incidents.len() == 1,
            "{status:?}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn two_leaders_at_once_roll_back_once() -> Result<()> {
    let world = World::new().await?;
    let order = world.story("kubectl").await?;
    let effect = || Effect::Rollback(Box::new(order.clone()));
    let mut leaders = Vec::new();
    for _ in 0..4 {
        let (dispatcher, ends) = dispatcher(world.client.clone(), &world.namespace)?;
        dispatcher.dispatch(effect());
        leaders.push((dispatcher, ends));
    }
    for (_, ends) in &mut leaders {
        let end = end(ends).await?;
        assert!(
            matches!(end, RollbackEnd::Done | RollbackEnd::Joined),
            "{end:?}"
        );
    }
    let crd = world.crds().get(&world.crd_name()).await?;
    assert_eq!(crd.metadata.generation, Some(3));
    assert_eq!(
        world.incidents().await?,
        [(IncidentState::RolledBack, None)]
    );
    Ok(())
}

#[tokio::test]
async fn a_crash_after_the_replacement_is_mended_without_a_second_one() -> Result<()> {
    let mut world = World::new().await?;
    let order = world.story("kubectl").await?;
    let claimed = json!({
        "apiVersion": "fusegate.io/v1alpha1", "kind": "ConditionContract",
        "status": {"incidents": [{"id": order.incident, "state": "Claimed", "tripId": "trip-0"}]},
    });
    let params = PatchParams::apply("fusegate-rollback").force();
    world
        .contracts()
        .patch_status(&world.crd_name(), &params, &Patch::Apply(claimed))
        .await?;
    world.apply_crd("fusegate", 5).await?;
    assert_eq!(world.order(&order).await?, RollbackEnd::Done);
    let crd = world.crds().get(&world.crd_name()).await?;
    assert_eq!(crd.metadata.generation, Some(3));
    assert_eq!(
        world.incidents().await?,
        [(IncidentState::RolledBack, None)]
    );
    Ok(())
}

#[tokio::test]
async fn a_crd_that_gitops_owns_or_that_has_moved_on_is_left_alone() -> Result<()> {
    let mut world = World::new().await?;
    let order = world.story("argocd-controller").await?;
    let RollbackEnd::Blocked { reason, message } = world.order(&order).await? else {
        anyhow::bail!("it must be blocked");
    };
    assert_eq!(&*reason, "OwnedByArgoCD");
    assert!(
        message.contains(&world.crd_name()) && message.contains("revision 1"),
        "{message}"
    );
    world.apply_crd("kubectl", 3).await?;
    let later = Rollback {
        incident: "another".into(),
        ..order
    };
    let end = world.order(&later).await?;
    assert!(
        matches!(&end, RollbackEnd::Blocked { reason, .. } if &**reason == "Moved"),
        "{end:?}"
    );
    let blocked = |reason: &str| (IncidentState::Blocked, Some(reason.to_owned()));
    let mut incidents = world.incidents().await?;
    incidents.sort_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(incidents, [blocked("Moved"), blocked("OwnedByArgoCD")]);
    assert_eq!(
        world
            .crds()
            .get(&world.crd_name())
            .await?
            .metadata
            .generation,
        Some(3)
    );
    Ok(())
}

#[tokio::test]
async fn a_target_that_the_api_server_refuses_blocks_and_changes_nothing() -> Result<()> {
    let mut world = World::new().await?;
    let mut order = world.story("kubectl").await?;
    let mut spec: Value = (*order.target.spec).clone();
    spec["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["size"]["type"] =
        json!("nonsense");
    order.target.hash = hash(&spec).into();
    order.target.spec = Arc::new(spec);
    let RollbackEnd::Blocked { reason, message } = world.order(&order).await? else {
        anyhow::bail!("it must be blocked");
    };
    assert_eq!(&*reason, "Refused");
    assert!(
        message.contains("in a dry run") && message.contains("nonsense"),
        "{message}"
    );
    assert_eq!(
        world
            .crds()
            .get(&world.crd_name())
            .await?
            .metadata
            .generation,
        Some(2)
    );
    Ok(())
}

/// A candidate for the lease of a namespace.
struct Replica {
    leads: watch::Receiver<bool>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Replica {
    async fn start(server: &ApiServer, namespace: &str, identity: &str) -> Result<Self> {
        let candidate = leader::Candidate {
            client: server.client().await?,
            namespace: namespace.to_owned(),
            shard: Shard::WHOLE,
            identity: identity.to_owned(),
        };
        let stop = CancellationToken::new();
        let clock = Clock::start();
        let (leads, task) = leader::start(candidate, clock, Tenure::new(clock), stop.clone());
        Ok(Self { leads, stop, task })
    }

    async fn until(&mut self, leads: bool) -> Result<()> {
        let within = Duration::from_secs(30);
        tokio::time::timeout(within, self.leads.wait_for(|now| *now == leads)).await??;
        Ok(())
    }

    async fn stop(self) -> Result<()> {
        self.stop.cancel();
        Ok(self.task.await?)
    }
}

#[tokio::test]
async fn one_replica_leads_and_the_next_takes_over_when_it_resigns() -> Result<()> {
    let server = ApiServer::shared().await?;
    let namespace = server.namespace("lease").await?;
    let mut first = Replica::start(server, &namespace, "first").await?;
    first.until(true).await?;
    let mut second = Replica::start(server, &namespace, "second").await?;
    let leases: Api<Lease> = Api::namespaced(server.client().await?, &namespace);
    let before = leases
        .get("fusegate")
        .await?
        .spec
        .context("no spec")?
        .renew_time;
    eventually("a renewal", SOON, async || {
        let renewed = leases
            .get("fusegate")
            .await?
            .spec
            .context("no spec")?
            .renew_time;
        ensure!(renewed != before, "{renewed:?}");
        Ok(())
    })
    .await?;
    assert!(*first.leads.borrow() && !*second.leads.borrow());
    first.stop().await?;
    second.until(true).await?;
    let spec = leases.get("fusegate").await?.spec.context("no spec")?;
    assert_eq!(spec.holder_identity.as_deref(), Some("second"));
    second.stop().await
}

#[tokio::test]
async fn a_leader_that_can_not_renew_stops_leading_and_leads_again_later() -> Result<()> {
    let mut server = ApiServer::start().await?;
    let namespace = server.namespace("lease").await?;
    let mut only = Replica::start(&server, &namespace, "only").await?;
    only.until(true).await?;
    server.pause_apiserver().await?;
    only.until(false).await?;
    server.resume_apiserver()?;
    only.until(true).await?;
    only.stop().await
}
