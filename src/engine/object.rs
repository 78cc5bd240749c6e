//! An object as the engine keeps it: the last report, and what of it is published.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::breaker::sample::{ObservationId, Reading, Unknown};
use crate::breaker::step::{Legality, Report};
use crate::breaker::time::{Now, Wall};
use crate::condition::diff::{self, Fingerprint};
use crate::condition::report::{self, Entry};
use crate::condition::{self, value};
use crate::effects::effect::{Action, Effect, Line};
use crate::engine::circuit::Cue;
use crate::engine::contract::Compiled;
use crate::engine::{Engine, Key, words};
use crate::policy::layer::RuntimeValue;
use crate::source::event::{GroupKind, Object, SeenBy};
use crate::spec::rule::comparable;

/// Keys and values as they are published.
pub(crate) type Values = Arc<[(Arc<str>, RuntimeValue)]>;

#[derive(Debug)]
pub(crate) struct ObjectEntry {
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) resource_version: Box<str>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) epoch: u32,
    /// Read by a contract that has been edited since: no evidence until the source tells it again.
    pub(crate) outdated: bool,
    fingerprint: Fingerprint,
    entries: Box<[Entry]>,
    legality: Legality,
    pub(super) legal: Values,
    pub(super) frozen: Option<Values>,
}

impl ObjectEntry {
    /// What is published of it now.
    pub(crate) fn shown(&self) -> &Values {
        self.frozen.as_ref().unwrap_or(&self.legal)
    }

    /// What is kept published in place of newer values, while it is.
    pub(crate) fn frozen(&self) -> Option<&Values> {
        self.frozen.as_ref()
    }

    /// The last report, as the rules over `conditions` (indices into the contract) see it.
    fn report(&self, conditions: &[usize]) -> Report {
        let readings = conditions
            .iter()
            .map(|at| self.entries.get(*at).map_or_else(missing, reading));
        Report {
            readings: readings.collect(),
            legality: self.legality,
        }
    }
}

impl Engine {
    pub(crate) fn apply_object(&mut self, now: Now, kind: &GroupKind, object: Object) {
        let Some(compiled) = self
            .contract_of(kind)
            .and_then(|entry| entry.compiled.clone())
        else {
            return;
        };
        let uid: Arc<str> = Arc::from(&*object.meta.uid);
        let name = (
            Arc::from(&*object.meta.namespace),
            Arc::from(&*object.meta.name),
        );
        let entry = self.kinds.entry(kind.clone()).or_default();
        let replaced = entry.names.insert(name.clone(), uid.clone());
        if let Some(old) = replaced.filter(|old| *old != uid) {
            self.delete_object(now, kind, &old);
            self.kinds
                .entry(kind.clone())
                .or_default()
                .names
                .insert(name, uid.clone());
        }
        let status = object
            .status
            .as_deref()
            .map(serde_json::value::RawValue::get);
        let report = condition::extract::extract(&compiled.contract, status);
        let keys = self.judges(kind, &object.meta.namespace);
        let before = self
            .kinds
            .get(kind)
            .and_then(|entry| entry.objects.get(&uid))
            .map(|object| object.shown().clone());
        let changed = self.keep_object(kind, &uid, object, &report, &compiled);
        let cause = self.effects.len();
        for key in &keys {
            self.match_object(now, key, kind, &uid);
        }
        self.freeze(kind, &uid, before, &keys);
        let line = changed
            .as_ref()
            .and_then(|operation| self.audit_map(now, kind, &uid, &report, operation, &keys));
        if let Some(line) = line {
            // What was written comes before what came of it, though its verdict is known only now.
            self.effects.insert(cause, line);
        }
    }

    /// Keeps the report; answers the map operation if the map differs from before.
    fn keep_object(
        &mut self,
        kind: &GroupKind,
        uid: &Arc<str>,
        object: Object,
        report: &report::Report,
        compiled: &Compiled,
    ) -> Option<MapOperation> {
        let entry = self.kinds.entry(kind.clone()).or_default();
        let epoch = entry.epoch;
        let before = entry.objects.remove(uid);
        let first = before.is_none();
        let fingerprint = before
            .as_ref()
            .map(|object| object.fingerprint.clone())
            .unwrap_or_default();
        let diff = diff::diff(&compiled.contract, &fingerprint, report);
        let changed = diff.map(|diff| MapOperation {
            first,
            diff,
            seen_by: object.seen_by,
        });
        let outdated = before.as_ref().is_none_or(|object| object.outdated);
        let (legal, frozen) = before.map_or((Values::from([]), None), |object| {
            (object.legal, object.frozen)
        });
        let legal = if report.is_legal() && (outdated || changed.is_some()) {
            publishable(report, compiled)
        } else {
            legal
        };
        let kept = ObjectEntry {
            namespace: Arc::from(&*object.meta.namespace),
            name: Arc::from(&*object.meta.name),
            resource_version: object.meta.resource_version,
            labels: object.meta.labels,
            epoch,
            outdated: false,
            fingerprint: Fingerprint::of(&compiled.contract, report),
            entries: report.entries.clone().into(),
            legality: Legality {
                legal: report.is_legal(),
                id: ObservationId(report.content),
            },
            legal,
            frozen,
        };
        entry.objects.insert(uid.clone(), kept);
        changed
    }

    pub(crate) fn delete_object(&mut self, now: Now, kind: &GroupKind, uid: &str) {
        let Some(entry) = self.kinds.get_mut(kind) else {
            return;
        };
        let Some((uid, object)) = entry.objects.remove_entry(uid) else {
            return;
        };
        let name = (object.namespace.clone(), object.name.clone());
        if entry.names.get(&name) == Some(&uid) {
            entry.names.remove(&name);
        }
        for key in self.judges(kind, &object.namespace) {
            self.remove_circuit(now, &key, &uid, Cue::Deleted);
            if let Some(policy) = self.policies.get_mut(&key) {
                policy.dirty |= policy.resume.remove(&uid).is_some();
            }
        }
        let keys = object.fingerprint.keys();
        self.effects.push(Effect::Audit(Box::new(Line {
            at: now.wall.0,
            action: Action::Map,
            source: "watch",
            resource: words::resource(kind, &object.namespace, &object.name).into(),
            uid: (&*uid).into(),
            resource_version: object.resource_version,
            operation: "Delete".into(),
            keys_before: Some(keys),
            keys_after: Some(0),
            verdict: "Published",
            reason: "the object is gone, and with it its circuits and published keys".into(),
            ..Line::default()
        })));
        self.publisher.view_changed = true;
    }

    /// Hands the object's last report to one circuit.
    pub(crate) fn report_to(&mut self, now: Now, key: &Key, kind: &GroupKind, uid: &Arc<str>) {
        let Some(lowered) = self
            .policies
            .get(key)
            .and_then(|policy| policy.lowered.clone())
        else {
            return;
        };
        let Some(object) = self
            .kinds
            .get(kind)
            .and_then(|entry| entry.objects.get(uid))
        else {
            return;
        };
        if object.outdated {
            return self.contribute(key, uid);
        }
        let report = object.report(&lowered.conditions);
        self.step_circuit(
            now,
            key,
            uid,
            &crate::breaker::step::Input::Report(&report),
            Cue::Report,
        );
        self.contribute(key, uid);
    }

    fn audit_map(
        &mut self,
        now: Now,
        kind: &GroupKind,
        uid: &Arc<str>,
        report: &report::Report,
        operation: &MapOperation,
        keys: &[Key],
    ) -> Option<Effect> {
        let object = self.kinds.get(kind)?.objects.get(uid)?;
        let publishes = keys.iter().any(|key| self.publishes_conditions(key, uid));
        let verdict = match (report.is_legal(), object.frozen.is_some(), publishes) {
            (false, ..) => "Rejected",
            (true, true, _) => "Frozen",
            (true, false, true) => "Published",
            (true, false, false) => "Unpublished",
        };
        let trip_id = keys
            .iter()
            .find_map(|key| self.trip_of(key, uid))
            .map(|id| id.to_string().into());
        self.counts.count_map(verdict, report);
        let line = Line {
            at: now.wall.0,
            action: Action::Map,
            source: operation.source(),
            resource: words::resource(kind, &object.namespace, &object.name).into(),
            uid: (&**uid).into(),
            resource_version: object.resource_version.clone(),
            operation: if operation.first {
                "Create".into()
            } else {
                "Update".into()
            },
            keys_before: Some(operation.diff.keys_before),
            keys_after: Some(operation.diff.keys_after),
            diff_keys: words::diff_keys(&operation.diff),
            diff_keys_omitted: operation.diff.omitted,
            verdict,
            reason: words::problems(report).into(),
            policy: None,
            trip_id,
        };
        Some(Effect::Audit(Box::new(line)))
    }
}

struct MapOperation {
    first: bool,
    diff: condition::diff::Diff,
    seen_by: SeenBy,
}

impl MapOperation {
    fn source(&self) -> &'static str {
        match self.seen_by {
            SeenBy::Watch => "watch",
            SeenBy::Directory => "directory",
        }
    }
}

fn reading(entry: &Entry) -> Reading {
    Reading {
        id: ObservationId(entry.id),
        observed_at: entry.observed_at.map(Wall),
        value: match &entry.reading {
            value::Reading::Value(value) => Ok(comparable(value)),
            value::Reading::Missing => Err(Unknown::Missing),
            value::Reading::NotANumber => Err(Unknown::NotANumber),
            value::Reading::Unjudgeable => Err(Unknown::Illegal),
        },
    }
}

fn missing() -> Reading {
    Reading {
        id: ObservationId(0),
        observed_at: None,
        value: Err(Unknown::Missing),
    }
}

/// The declared conditions that have a value Envoy can hold.
fn publishable(report: &report::Report, compiled: &Compiled) -> Values {
    let pairs = compiled.contract.conditions().iter().zip(&report.entries);
    pairs
        .filter_map(|(condition, entry)| match &entry.reading {
            value::Reading::Value(value) => Some((condition.key.clone(), runtime_value(value)?)),
            _ => None,
        })
        .collect()
}

fn runtime_value(value: &value::Value) -> Option<RuntimeValue> {
    match value {
        value::Value::Boolean(flag) => Some(RuntimeValue::Bool(*flag)),
        value::Value::Text(text) => Some(RuntimeValue::Text(Arc::from(&**text))),
        number => number
            .number()
            .filter(|number| number.is_finite())
            .map(RuntimeValue::Number),
    }
}
