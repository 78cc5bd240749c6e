//! The operator: what objects report. Each is bad for a while and good for a while, and no value comes twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use fusegate_crds::CircuitPolicySpec;

use super::agenda::{Act, Status};
use super::run::Simulation;
use super::store::OBJECTS;
use crate::engine::tests::world::{POLICY, meta, yaml};
use crate::wire::event::{Change, Document, Event};

#[derive(Debug, Default)]
pub(super) struct Operator {
    objects: [Reports; OBJECTS.len()],
    /// The times at which an object was bad: of which object, and whether that is over.
    phases: Vec<(usize, bool)>,
    by_value: BTreeMap<(usize, u64), usize>,
    written: u64,
}

#[derive(Debug, Default)]
struct Reports {
    bad: bool,
    left: u64,
    /// How the last reports are, once nothing fails any more.
    last: Option<bool>,
}

impl Operator {
    /// Which bad time a value is of.
    pub(super) fn phase(&self, object: usize, value: u64) -> Option<usize> {
        self.by_value.get(&(object, value)).copied()
    }

    /// Whether the bad time that a value is of still lasts.
    pub(super) fn is_bad_since(&self, object: usize, value: u64) -> bool {
        let phase = self.phase(object, value);
        phase.is_some_and(|phase| !self.phases[phase].1)
    }

    pub(super) fn is_bad(&self, object: usize) -> bool {
        self.objects[object].bad
    }

    /// The next value, when the object is or becomes bad or good.
    fn next(&mut self, object: usize, bad: bool) -> u64 {
        let was = std::mem::replace(&mut self.objects[object].bad, bad);
        if bad && !was {
            self.phases.push((object, false));
        }
        let mut phases = self.phases.iter_mut().enumerate().rev();
        let phase = phases.find(|(_, (of, _))| *of == object);
        self.written += 1;
        if !bad {
            if let Some((_, (_, over))) = phase {
                *over = true;
            }
            return 20 + self.written % 150;
        }
        let value = 300 + self.written;
        if let Some((phase, _)) = phase {
            self.by_value.insert((object, value), phase);
        }
        value
    }
}

impl Simulation {
    /// Writes an object's next value, and arranges for the one after it.
    pub(super) fn report(&mut self, object: usize) {
        let calm = self.calm;
        let reports = &mut self.operator.objects[object];
        let (bad, pause) = if calm {
            let last = *reports.last.get_or_insert_with(|| self.dice.percent(50));
            (last, None)
        } else if reports.left == 0 {
            let bad = !reports.bad;
            reports.left = self.dice.between(3, 8);
            (bad, Some(self.dice.between(100, 900)))
        } else {
            reports.left -= 1;
            let rests = reports.left == 0;
            let most = if rests { 8_000 } else { 1_200 };
            (reports.bad, Some(self.dice.between(20, most)))
        };
        let value = self.operator.next(object, bad);
        let index = self.store.report(object, value);
        self.watch_brings(index);
        if let Some(pause) = pause {
            self.agenda.enter(self.at + pause, Act::Report(object));
        }
    }
}

/// The policy's spec.
pub(super) fn spec() -> CircuitPolicySpec {
    let quick = "open: {minimum: 1s, maximum: 4s}\nhalfOpen: {settle: 0s, successes: 1, timeout: 10m, begin: Evidence}\nflap: {trips: 31, within: 1s}\nmaxOpenPercent: 100";
    let spec = POLICY
        .replace("open: {minimum: 60s}", quick)
        .replace("trip: {", "trip: {resample: 0s, ");
    yaml(&spec)
}

impl Simulation {
    /// The policy with a status, as a watch brings it.
    pub(super) fn policy(&self, status: Status) -> Event {
        Event::Policy(Change::Applied(Document {
            meta: meta("shop", "checkout", "checkout-uid", 1),
            spec: Ok(Arc::clone(&self.spec)),
            status: Some(status),
        }))
    }
}
