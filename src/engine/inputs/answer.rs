//! The answer event: gives every object of the contract's kind what Prometheus says of it.

use std::sync::Arc;

use crate::breaker::time::Now;
use crate::condition::change::{Change, KeyChange};
use crate::condition::measure::Measured;
use crate::condition::report::Report;
use crate::engine::outputs::outbox::Dirty;
use crate::engine::outputs::{map, queries};
use crate::engine::parts::Engine;
use crate::engine::state::answers;
use crate::engine::state::contract::{Compiled, ContractEntry};
use crate::engine::state::objects::Identity;
use crate::wire::effect::Effect;
use crate::wire::event::GroupKind;
use crate::wire::query::{Answer, Answered};

impl Engine {
    /// Takes an answer, unless the contract asks something else by now.
    pub(crate) fn take_answer(&mut self, now: Now, answer: &Answer) {
        let Some(contract) = self.state.contracts.get_mut(&*answer.contract) else {
            return;
        };
        let (Some(compiled), Some(kind)) = (contract.compiled.clone(), contract.kind.clone())
        else {
            return;
        };
        let mut queries = compiled.contract.queries();
        let asked = queries.find(|(_, condition, query)| {
            condition.key == answer.key && query.spec == answer.query
        });
        let Some((index, ..)) = asked else {
            return;
        };
        contract.answers.put(answer, now.wall);
        let mut objects = 0;
        for uid in self.uids(&kind) {
            objects += usize::from(self.measure_object(now, &kind, &uid, &compiled, index));
        }
        self.note_answer(now, &kind, answer, objects);
    }

    fn uids(&self, kind: &GroupKind) -> Vec<Arc<str>> {
        let entry = self.state.kinds.get(kind);
        let objects = entry.into_iter().flat_map(|entry| entry.objects.iter());
        objects.map(|(uid, _)| Arc::clone(uid)).collect()
    }

    /// Gives an object what the last answer says of a condition, and its circuits the news; answers whether the answer
    /// names the object.
    fn measure_object(
        &mut self,
        now: Now,
        kind: &GroupKind,
        uid: &Arc<str>,
        compiled: &Arc<Compiled>,
        index: usize,
    ) -> bool {
        let contract = self.state.contracts.get(compiled.contract.name());
        let objects = self
            .state
            .kinds
            .get_mut(kind)
            .map(|entry| &mut entry.objects);
        let object = objects.and_then(|objects| objects.get_mut(uid));
        let (Some(contract), Some(object)) = (contract, object) else {
            return false;
        };
        let is_named = is_named(contract, compiled, index, (&object.namespace, &object.name));
        // One that was read by other rules is told again, and gets its value then.
        if object.outdated || !Arc::ptr_eq(&object.compiled, compiled) {
            return is_named;
        }
        let (namespace, name) = (Arc::clone(&object.namespace), &object.name);
        let measured = contract
            .answers
            .measure(&compiled.contract, index, &namespace, name);
        let Some(measured) = measured else {
            return is_named;
        };
        let shown = object.shown();
        let count = compiled.contract.conditions().len();
        let change = object.kept.measure(index, &measured.entry, count);
        let keys = self.state.judges(kind, &namespace);
        let cause = self.out.effects.len();
        for key in &keys {
            self.match_object(now, key, kind, uid);
        }
        self.freeze(kind, uid, |_| Some(shown), &keys);
        let condition = compiled.contract.conditions().get(index);
        if let (Some(change), Some(condition)) = (change, condition) {
            let key = Arc::clone(&condition.key);
            let change = KeyChange { key, change };
            self.tell_measured(now, kind, uid, change, &measured, cause);
        }
        is_named
    }

    /// What the last answers say of an object that has just been seen, as far as it was not told before.
    pub(crate) fn news_of_answers(
        &self,
        kind: &GroupKind,
        object: &Identity,
        compiled: &Compiled,
        report: &Report,
    ) -> Vec<(KeyChange, Measured)> {
        let Some(contract) = self.state.contract_of(kind) else {
            return Vec::new();
        };
        let before = self.state.object(kind, &object.uid);
        let news = compiled
            .contract
            .queries()
            .filter_map(|(index, condition, _)| {
                let told = before.map_or(0, |before| before.content_of(&condition.key));
                let change = Change::between(told, report.entries.get(index)?.content)?;
                let (answers, namespace) = (&contract.answers, &object.namespace);
                let measured =
                    answers.measure(&compiled.contract, index, namespace, &object.name)?;
                let key = Arc::clone(&condition.key);
                Some((KeyChange { key, change }, measured))
            });
        news.collect()
    }

    /// Tells of a key that a query has given another value, before what came of it.
    pub(crate) fn tell_measured(
        &mut self,
        now: Now,
        kind: &GroupKind,
        uid: &Arc<str>,
        change: KeyChange,
        measured: &Measured,
        cause: usize,
    ) {
        let line = map::measured(&self.state, now, kind, uid, change, measured);
        if let Some(line) = line {
            self.out.counts.count_measured(line.verdict, measured);
            let line = Effect::Audit(Box::new(line));
            self.out.effects.insert(cause, line);
        }
    }

    /// Notes what came of a query, for metrics and for the contract's status.
    fn note_answer(&mut self, now: Now, kind: &GroupKind, answer: &Answer, objects: usize) {
        let (result, series) = match &answer.result {
            Ok(answered) => ("Answered", answered.series.len() + answered.nameless),
            Err(unanswered) => (unanswered.reason.name(), 0),
        };
        let error = match &answer.result {
            Ok(answered) => self.mismatch(kind, answered, objects),
            Err(unanswered) => Some(format!("{result}: {}", unanswered.message)),
        };
        queries::count(&mut self.out, answer, result, (series, objects));
        let record = answers::record(&answer.key, now.wall, (series, objects), error);
        let contract = self.state.contracts.get_mut(&*answer.contract);
        if contract.is_some_and(|contract| contract.answers.note(record)) {
            self.out.mark(Dirty::Contract(&answer.contract));
        }
    }

    /// Why an answer fits no object, where it fits none.
    fn mismatch(&self, kind: &GroupKind, answered: &Answered, objects: usize) -> Option<String> {
        let Answered { series, nameless } = answered;
        let entry = self.state.kinds.get(kind)?;
        if objects > 0 || !entry.listed || entry.objects.len() == 0 {
            return None;
        }
        if series.is_empty() && *nameless > 0 {
            return Some(format!(
                "NoObject: none of {nameless} series has the labels that object.namespace and object.name name; let the query keep them, as with `sum by (…)`"
            ));
        }
        let first = series.first()?;
        let scope = if entry.cluster_scoped {
            format!(
                "{kind} is cluster-scoped, so leave object.namespace out and let object.name name its objects"
            )
        } else {
            format!(
                "check that object.namespace and object.name name the labels with the namespace and name of {kind}"
            )
        };
        Some(format!(
            "NoObject: none of {} series names an object, the first names \"{}/{}\"; {scope}",
            series.len(),
            first.namespace,
            first.name
        ))
    }
}

/// Whether any series of the last answer names an object.
fn is_named(
    contract: &ContractEntry,
    compiled: &Compiled,
    index: usize,
    (namespace, name): (&str, &str),
) -> bool {
    let condition = compiled.contract.conditions().get(index);
    condition.is_some_and(|condition| contract.answers.count(&condition.key, namespace, name) > 0)
}
