//! The object event: keeps the report, and hands it to the object's circuits.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::breaker::time::Now;
use crate::condition::change::KeyChange;
use crate::condition::compact::CompactReport;
use crate::condition::measure::Measured;
use crate::condition::{diff, extract, report};
use crate::engine::inputs::skew::Heartbeat;
use crate::engine::outputs::map::{self, MapOperation};
use crate::engine::outputs::outbox::Dirty;
use crate::engine::outputs::text;
use crate::engine::parts::Engine;
use crate::engine::state::circuit::Trigger;
use crate::engine::state::contract::Compiled;
use crate::engine::state::object::ObjectEntry;
use crate::engine::state::objects::Identity;
use crate::wire::audit::{Action, Line, Operation, Source, Verdict};
use crate::wire::effect::Effect;
use crate::wire::event::{GroupKind, Object};
use crate::wire::labels::Labels;

impl Engine {
    pub(crate) fn apply_object(&mut self, now: Now, kind: &GroupKind, object: Object) {
        let contract = self.state.contract_of(kind);
        let Some(compiled) = contract.and_then(|entry| entry.compiled.clone()) else {
            return;
        };
        let objects = &self.state.kinds.entry(kind.clone()).or_default().objects;
        let identity = objects.identify(&object.meta);
        if !identity.is_kept {
            let named = objects.named(&identity.namespace, &identity.name);
            if let Some(replaced) = named.filter(|named| **named != identity.uid).cloned() {
                self.delete_object(now, kind, &replaced);
            }
            if !self.has_room(now, kind, &identity, &object.meta.resource_version) {
                return;
            }
        }
        let (report, answers) = self.read_object(kind, &identity, &object, &compiled);
        let keys = self.state.judges(kind, &identity.namespace);
        let uid = identity.uid.clone();
        let (before, operation) = self.keep_object(now, kind, identity, object, &report, compiled);
        let heartbeat = before
            .as_ref()
            .and_then(|before| Heartbeat::furthest(now.wall, &before.kept, &report));
        if let Some(heartbeat) = heartbeat {
            self.note_heartbeat(now, kind, &uid, heartbeat);
        }
        let cause = self.out.effects.len();
        for key in &keys {
            self.match_object(now, key, kind, &uid);
        }
        // What comes with the first list may have been published by the process before, and what that was nobody knows:
        // nothing at all it was not.
        let listed = self.state.kinds.get(kind).is_some_and(|entry| entry.listed);
        let shown_before = |object: &ObjectEntry| match before {
            Some(before) if report.is_legal() => Some(before.shown()),
            // An illegal report publishes nothing else than before.
            Some(_) => Some(object.shown()),
            None => (!listed).then(|| object.legal_values()),
        };
        self.freeze(kind, &uid, shown_before, &keys);
        let has_news = operation.as_ref().is_some_and(|operation| operation.noted);
        let line = operation.and_then(|operation| {
            map::operation(&self.state, now, kind, &uid, &report, operation, &keys)
        });
        for (change, measured) in answers {
            self.tell_measured(now, kind, &uid, change, &measured, cause);
        }
        if let Some(line) = line {
            let notes = map::notes(&report, has_news);
            self.out.counts.count_map(line.verdict, &report, notes);
            // What was written comes before what came of it, though its verdict is known only now.
            let line = Effect::Audit(Box::new(line));
            self.out.effects.insert(cause, line);
        }
    }

    /// What an object says, with what the last answers say of it; and what of these has not been told.
    fn read_object(
        &self,
        kind: &GroupKind,
        identity: &Identity,
        object: &Object,
        compiled: &Compiled,
    ) -> (report::Report, Vec<(KeyChange, Measured)>) {
        let [status, rest] =
            [&object.status, &object.rest].map(|raw| raw.as_deref().map(RawValue::get));
        let mut report = extract::extract_object(&compiled.contract, status, rest);
        let asks = compiled.contract.queries().next().is_some();
        let Some(contract) = self.state.contract_of(kind).filter(|_| asks) else {
            return (report, Vec::new());
        };
        let (namespace, name) = (&identity.namespace, &identity.name);
        let answers = &contract.answers;
        answers.add_to(&mut report, &compiled.contract, namespace, name);
        let news = self.news_of_answers(kind, identity, compiled, &report);
        (report, news)
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
        let entry = self.state.kinds.entry(kind.clone()).or_default();
        let mut slot = entry.objects.get_mut(&identity.uid);
        let before = slot.as_deref();
        let known = before.map(|before| (&before.compiled.contract, &before.kept));
        let diff = diff::diff(&compiled.contract, known, report);
        let operation = diff.map(|diff| MapOperation {
            first: before.is_none(),
            noted: report.notes_hash() != before.map_or(0, |before| before.notes),
            diff,
            seen_by: object.seen_by,
        });
        let same = before.filter(|before| before.labels.are(&object.meta.labels));
        let (labels, omitted) = match same {
            Some(before) => (before.labels.clone(), None),
            None => Labels::of(&object.meta.labels),
        };
        let relabeled = before.is_none_or(|before| before.labels != labels);
        let kept = ObjectEntry {
            namespace: identity.namespace,
            name: identity.name,
            resource_version: object.meta.resource_version.into(),
            epoch: entry.epoch,
            outdated: false,
            labels,
            legal: report.is_legal(),
            notes: report.notes_hash(),
            kept: CompactReport::of(report),
            compiled,
            held: slot
                .as_deref_mut()
                .and_then(|before| before.hand_on(report.is_legal())),
        };
        let before = match slot {
            Some(slot) if identity.is_kept => Some(std::mem::replace(slot, kept)),
            _ => entry.objects.put(&identity.uid, kept),
        };
        if let Some(omitted) = omitted.filter(|_| relabeled) {
            map::labels_omitted(
                &self.state,
                &mut self.out,
                now,
                kind,
                &identity.uid,
                object.seen_by,
                &omitted,
            );
        }
        (before, operation)
    }

    pub(crate) fn delete_object(&mut self, now: Now, kind: &GroupKind, uid: &str) {
        let Some(entry) = self.state.kinds.get_mut(kind) else {
            return;
        };
        let Some((uid, object)) = entry.objects.remove(uid) else {
            return;
        };
        for key in self.state.judges(kind, &object.namespace) {
            self.remove_circuit(now, &key, &uid, Trigger::Deleted);
            if let Some(policy) = self.state.policies.get_mut(&key)
                && policy.resume.remove(&uid).is_some()
            {
                self.out.mark(Dirty::Policy(&key));
            }
        }
        self.forget_skew(kind, &uid);
        let keys = object.kept.keys();
        self.out.audit(Line {
            at: now.wall.0,
            action: Action::Map,
            source: Source::Watch,
            resource: text::resource(kind, &object.namespace, &object.name).into(),
            uid: (&*uid).into(),
            resource_version: (&object.resource_version).into(),
            operation: Operation::Delete,
            keys_before: Some(keys),
            keys_after: Some(0),
            verdict: Verdict::Published,
            reason: "the object is gone, and with it its circuits and published keys".into(),
            ..Line::default()
        });
        self.out.mark(Dirty::View);
    }
}
