//! A world without clocks and wires: a test says what is seen and how time passes.

use std::collections::BTreeMap;
use std::sync::Arc;

use fusegate_crds::{CircuitPolicyStatus, ConditionContractStatus};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::tape::Tape;
use crate::breaker::time::{Mono, Now, Wall};
use crate::engine::output::{Counts, Publication};
use crate::engine::outputs::status::truth;
use crate::engine::settings::Capacity;
use crate::engine::{Engine, Settings};
use crate::wire::audit::{Action, Line};
use crate::wire::effect::{Alert, Effect, Rollback};
use crate::wire::event::{
    Change, Crd, Document, Event, Feed, GroupKind, Meta, Object, Revision, SeenBy,
};

pub(super) const T0: i64 = 1_800_000_000_000;

pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) now: Now,
    pub(super) effects: Vec<Effect>,
    pub(super) publications: Vec<Publication>,
    pub(super) counts: Vec<Counts>,
    pub(super) layers: BTreeMap<String, Option<u64>>,
    version: u64,
    tape: Tape,
}

pub(super) fn kind() -> GroupKind {
    GroupKind::new("shop.example.com", "Storefront")
}

pub(super) fn yaml<T: DeserializeOwned>(text: &str) -> T {
    serde_saphyr::from_str(text).unwrap()
}

pub(super) const CONTRACT: &str = r#"
target: {group: shop.example.com, kind: Storefront}
conditions:
- {key: network-latency, type: Duration, minimum: 0s, maximum: 60s}
- {key: error-rate, type: Number, minimum: 0, maximum: 1}
- {key: tier, type: Enum, values: [gold, silver]}
mesh: {clusters: ["{namespace}-*"], runtime: ["routing.{namespace}."]}
rollback: {mode: Auto}
"#;

pub(super) const POLICY: &str = r#"
contract: storefronts.shop.example.com
selector: {matchLabels: {tier: gold}}
mode: Enforce
trip: {when: [{condition: network-latency, above: 250ms, clearBelow: 200ms}]}
open: {minimum: 60s}
mesh:
  shed: [{cluster: "shop-{name}", percent: 100}]
  runtime: [{key: routing.shop.canary, closed: 10, open: 0}]
  publishConditions: true
"#;

impl World {
    /// Nothing seen yet.
    pub(super) fn empty() -> Self {
        Self::empty_with(Capacity::default())
    }

    /// Nothing seen yet, with room for so much.
    pub(super) fn empty_with(capacity: Capacity) -> Self {
        Self::empty_as(capacity, None)
    }

    /// Nothing seen yet, by one of several shards.
    pub(super) fn empty_as(capacity: Capacity, shard: Option<&str>) -> Self {
        let settings = Settings {
            cluster: "test".into(),
            link: "http://fusegate".into(),
            namespace: "fusegate-system".into(),
            capacity,
            shard: shard.map(Into::into),
        };
        let now = Now {
            mono: Mono(1_000_000_000),
            wall: Wall(T0),
        };
        let mut world = Self {
            tape: Tape::new(settings.clone()),
            engine: Engine::new(settings),
            now,
            effects: Vec::new(),
            publications: Vec::new(),
            counts: Vec::new(),
            layers: BTreeMap::new(),
            version: 0,
        };
        world.send(Event::Leading(true));
        world
    }

    /// A contract, its CRD, one policy and one object `checkout`, all listed and confirmed.
    pub(super) fn with(policy: &str) -> Self {
        Self::empty().filled(policy)
    }

    /// The same, as this empty one begins.
    pub(super) fn filled(mut self, policy: &str) -> Self {
        self.contract(CONTRACT);
        self.crd(50);
        self.policy("checkout", policy, None);
        self.list();
        self.latency("checkout", "100ms");
        self.list_objects();
        self
    }

    /// A contract, its CRD and one policy, all listed, with room for so much.
    pub(super) fn with_capacity(policy: &str, capacity: Capacity) -> Self {
        let mut world = Self::empty_with(capacity);
        world.contract(CONTRACT);
        world.crd(50);
        world.policy("checkout", policy, None);
        world.list();
        world.list_objects();
        world
    }

    pub(super) fn send(&mut self, event: Event) {
        self.tape.event(self.now, &event);
        self.engine.handle(self.now, event);
        self.flush();
    }

    /// Lets the engine see the time, without anything having happened.
    pub(super) fn tick(&mut self) {
        self.tape.tick(self.now);
        self.engine.tick(self.now);
        self.flush();
    }

    pub(super) fn flush(&mut self) {
        let output = self.engine.flush(self.now);
        self.tape.flush(self.now, &output);
        let untrue = truth::untrue(&self.engine.state, &self.engine.out, self.now);
        assert!(untrue.is_empty(), "{}", untrue.join("\n"));
        self.effects.extend(output.effects);
        for resource in &output.publication.put {
            let version = resource.version();
            let text = format!("{version:?}");
            let hash = text.bytes().fold(7_u64, |hash, byte| {
                hash.wrapping_mul(31).wrapping_add(byte.into())
            });
            self.layers.insert(resource.name().to_string(), Some(hash));
        }
        for name in &output.publication.remove {
            self.layers.insert(name.to_string(), None);
        }
        self.publications.push(output.publication);
        self.counts.push(output.counts);
    }

    /// Lets time pass in one step, with the watch confirmed all along.
    pub(super) fn pass(&mut self, millis: u64) {
        let mut left = millis;
        while left > 0 {
            let step = left.min(1_000);
            left -= step;
            self.now.mono = Mono(self.now.mono.0 + step);
            self.now.wall = Wall(self.now.wall.0 + i64::try_from(step).unwrap());
            let confirmed = Event::Confirmed(Feed::Objects(kind()));
            self.tape.event(self.now, &confirmed);
            self.engine.handle(self.now, confirmed);
            self.tick();
        }
    }

    pub(super) fn contract(&mut self, spec: &str) {
        let meta = meta("", "storefronts.shop.example.com", "contract-uid", 1);
        let document = Document {
            meta,
            spec: Ok(Arc::new(yaml(spec))),
            status: Some(Arc::new(accepted())),
        };
        self.send(Event::Contract(Change::Applied(document)));
    }

    pub(super) fn policy(&mut self, name: &str, spec: &str, status: Option<CircuitPolicyStatus>) {
        self.version += 1;
        let meta = meta(
            "shop",
            name,
            &format!("{name}-uid"),
            i64::try_from(self.version).unwrap(),
        );
        let spec = Ok(Arc::new(yaml(spec)));
        self.send(Event::Policy(Change::Applied(Document {
            meta,
            spec,
            status: status.map(Arc::new),
        })));
    }

    pub(super) fn crd(&mut self, maximum: u64) {
        self.crd_with(maximum, true);
    }

    pub(super) fn crd_with(&mut self, maximum: u64, served: bool) {
        self.crd_of(crd_spec(maximum, served));
    }

    /// The CRD with another spec.
    pub(super) fn crd_of(&mut self, spec: Value) {
        self.version += 1;
        self.send(Event::Crd(Change::Applied(crd(spec, self.version))));
        self.store_revisions();
    }

    /// Does what the executor of `Record` does: the revision comes back as an event.
    pub(super) fn store_revisions(&mut self) {
        let recorded: Vec<Revision> = self
            .effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Record(record) => Some(record.revision.clone()),
                _ => None,
            })
            .collect();
        for revision in recorded {
            self.send(Event::Revision(Change::Applied(revision)));
        }
    }

    pub(super) fn list(&mut self) {
        for feed in [
            Feed::Contracts,
            Feed::Policies,
            Feed::Overrides,
            Feed::Crds,
            Feed::Revisions,
        ] {
            self.send(Event::Listed(feed));
        }
        self.store_revisions();
    }

    pub(super) fn list_objects(&mut self) {
        self.send(Event::Listed(Feed::Objects(kind())));
        self.send(Event::Confirmed(Feed::Objects(kind())));
    }

    pub(super) fn latency(&mut self, name: &str, value: &str) {
        self.report(
            name,
            &json!({"network-latency": value, "error-rate": 0.01, "tier": "gold"}),
        );
    }

    pub(super) fn report(&mut self, name: &str, conditions: &Value) {
        self.object(
            name,
            &format!("{name}-1"),
            &json!({"tier": "gold"}),
            conditions,
        );
    }

    pub(super) fn object(&mut self, name: &str, uid: &str, labels: &Value, conditions: &Value) {
        self.version += 1;
        let mut meta = meta("shop", name, uid, 1);
        meta.resource_version = self.version.to_string().into();
        meta.labels = serde_json::from_value(labels.clone()).unwrap();
        let status = json!({"conditions": conditions}).to_string();
        let status = Some(serde_json::value::RawValue::from_string(status).unwrap());
        let object = Object {
            meta,
            status,
            rest: None,
            seen_by: SeenBy::Watch,
        };
        self.send(Event::Object(kind(), Change::Applied(object)));
    }

    /// Deletes an object.
    pub(super) fn delete(&mut self, name: &str) {
        let object = Object {
            meta: meta("shop", name, &format!("{name}-1"), 1),
            status: None,
            rest: None,
            seen_by: SeenBy::Watch,
        };
        self.send(Event::Object(kind(), Change::Deleted(object)));
    }

    /// Reports three latencies above the limit, each a value of its own.
    pub(super) fn break_latency(&mut self, name: &str) {
        for value in ["300ms", "310ms", "320ms"] {
            self.pass(100);
            self.latency(name, value);
        }
    }

    pub(super) fn circuit(&self, name: &str) -> Option<Arc<crate::wire::view::CircuitView>> {
        let policy = self
            .engine
            .out
            .view
            .policies
            .get(&("shop".into(), "checkout".into()))?;
        policy.circuits.get(name).cloned()
    }

    pub(super) fn state(&self, name: &str) -> &'static str {
        self.circuit(name)
            .map_or("none", |circuit| circuit.state.name())
    }

    /// The keys of a layer as they would be rendered now.
    pub(super) fn keys(&self, layer: &str) -> BTreeMap<String, crate::policy::layer::RuntimeValue> {
        let name = crate::policy::layer::LayerName::try_new(layer).unwrap();
        let layer = self.engine.out.publisher.layers.render(&name);
        layer
            .keys
            .into_iter()
            .map(|(key, value)| (key.to_string(), value))
            .collect()
    }

    pub(super) fn shed(&self, cluster: &str) -> Option<f64> {
        match self
            .keys("shop")
            .get(&format!("upstream.maintenance_mode.{cluster}"))
        {
            Some(crate::policy::layer::RuntimeValue::Number(percent)) => Some(*percent),
            _ => None,
        }
    }

    pub(super) fn status(&self) -> CircuitPolicyStatus {
        let statuses = self.effects.iter().rev().find_map(|effect| match effect {
            Effect::PolicyStatus(write) if &*write.target.name == "checkout" => {
                Some((*write.status).clone())
            }
            _ => None,
        });
        statuses.expect("no status was written")
    }

    pub(super) fn alerts(&self) -> Vec<Alert> {
        let alerts = self.effects.iter().filter_map(|effect| match effect {
            Effect::Alert(alert) => Some(alert.clone()),
            _ => None,
        });
        alerts.collect()
    }

    pub(super) fn rollbacks(&self) -> Vec<Rollback> {
        let rollbacks = self.effects.iter().filter_map(|effect| match effect {
            Effect::Rollback(rollback) => Some((**rollback).clone()),
            _ => None,
        });
        rollbacks.collect()
    }

    pub(super) fn lines(&self, action: Action) -> Vec<Line> {
        let lines = self.effects.iter().filter_map(|effect| match effect {
            Effect::Audit(line) if line.action == action => Some((**line).clone()),
            _ => None,
        });
        lines.collect()
    }

    pub(super) fn condition(&self, type_: &str) -> (String, String, String) {
        let status = self.status();
        let found = status
            .conditions
            .iter()
            .find(|condition| condition.type_ == type_);
        found
            .map(|found| {
                (
                    found.status.clone(),
                    found.reason.clone(),
                    found.message.clone(),
                )
            })
            .expect(type_)
    }
}

/// The status of a contract that judged its kind before.
pub(super) fn accepted() -> ConditionContractStatus {
    yaml(
        "conditions: [{type: Accepted, status: \"True\", reason: Accepted, message: fine, lastTransitionTime: \"2027-01-15T08:00:00Z\"}]",
    )
}

/// The spec of the CRD, which takes so many replicas at most.
pub(super) fn crd_spec(maximum: u64, served: bool) -> Value {
    json!({
        "group": "shop.example.com",
        "names": {"kind": "Storefront", "plural": "storefronts"},
        "scope": "Namespaced",
        "versions": [{"name": "v1", "served": served, "storage": true, "schema": {"openAPIV3Schema": {
            "type": "object",
            "properties": {"spec": {"type": "object", "properties": {"replicas": {"type": "integer", "maximum": maximum}}}},
        }}}],
    })
}

/// The CRD with a spec.
pub(super) fn crd(spec: Value, version: u64) -> Crd {
    let mut meta = meta("", "storefronts.shop.example.com", "crd-uid", 1);
    meta.resource_version = version.to_string().into();
    Crd {
        meta,
        target: kind(),
        namespaced: true,
        established: true,
        stored_versions: vec!["v1".to_owned()],
        spec: Arc::new(spec),
        managers: vec!["kubectl".to_owned()],
    }
}

pub(super) fn meta(namespace: &str, name: &str, uid: &str, generation: i64) -> Meta {
    Meta {
        namespace: namespace.into(),
        name: name.into(),
        uid: uid.into(),
        generation,
        ..Meta::default()
    }
}
