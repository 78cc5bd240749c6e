//! An object as the engine keeps it: the last report, and what of it is published.

use std::sync::Arc;

use fusegate_crds::Selector;

use crate::breaker::sample::{ObservationId, Reading, Unknown, Value};
use crate::breaker::step::{Legality, Report};
use crate::breaker::time::{Now, Wall};
use crate::condition::compact::{CompactEntry, CompactReport, CompactValue};
use crate::condition::diff::{self, Diff};
use crate::condition::{extract, report};
use crate::engine::circuit::Cue;
use crate::engine::contract::Compiled;
use crate::engine::labels::Labels;
use crate::engine::objects::Identity;
use crate::engine::{Engine, Key, words};
use crate::policy::layer::RuntimeValue;
use crate::wire::effect::{Action, Effect, Line};
use crate::wire::event::{GroupKind, Object, SeenBy};

/// Keys and values as they are published.
pub(crate) type Values = Arc<[(Arc<str>, RuntimeValue)]>;

#[derive(Debug)]
pub(crate) struct ObjectEntry {
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) resource_version: Box<str>,
    pub(crate) epoch: u32,
    /// Read by a contract that has been edited since: no evidence until the source tells it again.
    pub(crate) outdated: bool,
    /// Whether the last report is.
    legal: bool,
    labels: Labels,
    /// What the last report is read by.
    compiled: Arc<Compiled>,
    kept: CompactReport,
    /// Few objects have any.
    held: Option<Box<Held>>,
}

/// Values that are published in place of those of the last report.
#[derive(Debug)]
struct Held {
    /// What the last legal report said, where the last one is not legal.
    legal: Option<Values>,
    /// What was published before the trip.
    frozen: Option<Values>,
}

impl Held {
    fn new(legal: Option<Values>, frozen: Option<Values>) -> Option<Box<Self>> {
        let any = legal.is_some() || frozen.is_some();
        any.then(|| Box::new(Self { legal, frozen }))
    }
}

impl ObjectEntry {
    /// What is published of it now.
    pub(crate) fn shown(&self) -> Values {
        let frozen = self.frozen().cloned();
        frozen.unwrap_or_else(|| self.legal_values())
    }

    /// What is kept published in place of newer values, while it is.
    pub(crate) fn frozen(&self) -> Option<&Values> {
        self.held.as_ref()?.frozen.as_ref()
    }

    /// Keeps values published in place of newer ones, or no longer.
    pub(super) fn hold(&mut self, frozen: Option<Values>) {
        let legal = self.held.take().and_then(|held| held.legal);
        self.held = Held::new(legal, frozen);
    }

    pub(crate) fn is_selected(&self, selector: &Selector) -> bool {
        selector.matches(|key| self.labels.get(key))
    }

    /// What the last legal report said.
    pub(super) fn legal_values(&self) -> Values {
        if self.legal {
            publishable(&self.kept, &self.compiled)
        } else {
            let legal = self.held.as_ref().and_then(|held| held.legal.clone());
            legal.unwrap_or_default()
        }
    }

    /// The last report, as the rules over `conditions` (indices into the contract) see it.
    fn report(&self, conditions: &[usize]) -> Report {
        let entries = self.kept.entries();
        let readings = conditions
            .iter()
            .map(|at| entries.get(*at).map_or_else(missing, reading));
        Report {
            readings: readings.collect(),
            legality: Legality {
                legal: self.legal,
                id: ObservationId(self.kept.content),
            },
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
        let objects = &self.kinds.entry(kind.clone()).or_default().objects;
        let identity = objects.identify(&object.meta);
        let named = objects.named(&identity.namespace, &identity.name);
        if let Some(replaced) = named.filter(|named| **named != identity.uid).cloned() {
            self.delete_object(now, kind, &replaced);
        }
        if !self.has_room(now, kind, &identity, &object.meta.resource_version) {
            return;
        }
        let status = object.status.as_deref();
        let status = status.map(serde_json::value::RawValue::get);
        let report = extract::extract(&compiled.contract, status);
        let keys = self.judges(kind, &identity.namespace);
        let uid = identity.uid.clone();
        let (before, operation) = self.keep_object(now, kind, identity, object, &report, compiled);
        let cause = self.effects.len();
        for key in &keys {
            self.match_object(now, key, kind, &uid);
        }
        let shown_before = || before.map(|object| object.shown());
        self.freeze(kind, &uid, shown_before, &keys);
        let line = operation
            .and_then(|operation| self.audit_map(now, kind, &uid, &report, operation, &keys));
        if let Some(line) = line {
            // What was written comes before what came of it, though its verdict is known only now.
            self.effects.insert(cause, line);
        }
    }

    /// Keeps the report; answers what was kept before, and the map operation if the map differs from then.
    fn keep_object(
        &mut self,
        now: Now,
        kind: &GroupKind,
        identity: Identity,
        object: Object,
        report: &report::Report,
        compiled: Arc<Compiled>,
    ) -> (Option<ObjectEntry>, Option<MapOperation>) {
        let entry = self.kinds.entry(kind.clone()).or_default();
        let before = entry.objects.get(&identity.uid);
        let known = before.map(|before| (&before.compiled.contract, &before.kept));
        let diff = diff::diff(&compiled.contract, known, report);
        let operation = diff.map(|diff| MapOperation {
            first: before.is_none(),
            diff,
            seen_by: object.seen_by,
        });
        let (labels, omitted) = Labels::of(&object.meta.labels);
        let relabeled = before.is_none_or(|before| before.labels != labels);
        let kept = ObjectEntry {
            namespace: identity.namespace,
            name: identity.name,
            resource_version: object.meta.resource_version,
            epoch: entry.epoch,
            outdated: false,
            labels,
            legal: report.is_legal(),
            kept: CompactReport::of(report),
            compiled,
            held: Held::new(
                before
                    .filter(|_| !report.is_legal())
                    .map(ObjectEntry::legal_values),
                before.and_then(ObjectEntry::frozen).cloned(),
            ),
        };
        let before = entry.objects.put(&identity.uid, kept);
        if let Some(omitted) = omitted.filter(|_| relabeled) {
            self.tell_labels(now, kind, &identity.uid, object.seen_by, &omitted);
        }
        (before, operation)
    }

    pub(crate) fn delete_object(&mut self, now: Now, kind: &GroupKind, uid: &str) {
        let Some(entry) = self.kinds.get_mut(kind) else {
            return;
        };
        let Some((uid, object)) = entry.objects.remove(uid) else {
            return;
        };
        for key in self.judges(kind, &object.namespace) {
            self.remove_circuit(now, &key, &uid, Cue::Deleted);
            if let Some(policy) = self.policies.get_mut(&key) {
                policy.dirty |= policy.resume.remove(&uid).is_some();
            }
        }
        let keys = object.kept.keys();
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
        self.contribute_report(key, uid);
    }

    fn audit_map(
        &mut self,
        now: Now,
        kind: &GroupKind,
        uid: &Arc<str>,
        report: &report::Report,
        operation: MapOperation,
        keys: &[Key],
    ) -> Option<Effect> {
        let object = self.kinds.get(kind)?.objects.get(uid)?;
        let publishes = keys.iter().any(|key| self.publishes_conditions(key, uid));
        let verdict = match (report.is_legal(), object.frozen().is_some(), publishes) {
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
            source: source(operation.seen_by),
            resource: words::resource(kind, &object.namespace, &object.name).into(),
            uid: Arc::clone(uid),
            resource_version: object.resource_version.clone(),
            operation: if operation.first {
                "Create".into()
            } else {
                "Update".into()
            },
            keys_before: Some(operation.diff.keys_before),
            keys_after: Some(operation.diff.keys_after),
            diff_keys: words::diff_keys(operation.diff.diff_keys),
            diff_keys_omitted: operation.diff.omitted,
            verdict,
            reason: words::problems(report).into(),
            policy: None,
            trip_id,
        };
        Some(Effect::Audit(Box::new(line)))
    }
}

/// What saw an object, in the audit's words.
pub(super) fn source(seen_by: SeenBy) -> &'static str {
    match seen_by {
        SeenBy::Watch => "watch",
        SeenBy::Directory => "directory",
    }
}

struct MapOperation {
    first: bool,
    diff: Diff,
    seen_by: SeenBy,
}

fn reading(entry: &CompactEntry) -> Reading {
    Reading {
        id: ObservationId(entry.id),
        observed_at: entry.observed_at().map(Wall),
        value: match &entry.value {
            CompactValue::Number(number) => Ok(Value::Number(*number)),
            CompactValue::Boolean(flag) => Ok(Value::Bool(*flag)),
            CompactValue::Text(text) => Ok(Value::Text((**text).clone())),
            CompactValue::Missing => Err(Unknown::Missing),
            CompactValue::NotANumber => Err(Unknown::NotANumber),
            CompactValue::Unjudgeable => Err(Unknown::Illegal),
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
fn publishable(kept: &CompactReport, compiled: &Compiled) -> Values {
    let pairs = compiled.contract.conditions().iter().zip(kept.entries());
    pairs
        .filter_map(|(condition, entry)| Some((condition.key.clone(), published(&entry.value)?)))
        .collect()
}

fn published(value: &CompactValue) -> Option<RuntimeValue> {
    match value {
        CompactValue::Boolean(flag) => Some(RuntimeValue::Bool(*flag)),
        CompactValue::Text(text) => Some(RuntimeValue::Text(Arc::from(&***text))),
        CompactValue::Number(number) => Some(*number)
            .filter(|number| number.is_finite())
            .map(RuntimeValue::Number),
        CompactValue::Missing | CompactValue::NotANumber | CompactValue::Unjudgeable => None,
    }
}

#[cfg(test)]
mod tests {
    use super::ObjectEntry;

    #[test]
    fn what_is_kept_of_an_object_beside_its_keys_fits_a_size_that_allocators_have() {
        assert_eq!(size_of::<ObjectEntry>(), 128);
    }
}
