//! The verdict: what must be so at the end, and of every status that is written.

use std::collections::BTreeMap;

use fusegate_crds::{CircuitPolicyStatus, CircuitState};

use super::run::Simulation;
use super::store::OBJECTS;

/// How far a circuit has come: its incident, and then its state and step.
type Position = (i64, u8, i64);

impl Simulation {
    /// **Invariant**: no status takes a circuit back to where it was before.
    pub(super) fn no_way_back(
        &mut self,
        by: usize,
        before: &CircuitPolicyStatus,
        after: &CircuitPolicyStatus,
    ) {
        let known = positions(before);
        for (object, position) in positions(after) {
            let was = known.get(&object);
            if was.is_some_and(|was| *was > position) {
                self.breaks(format!(
                    "replica {by} writes that {object} is at {position:?}, and it was at {was:?}"
                ));
            }
        }
        for record in &after.circuits {
            if let Some(trip) = &record.trip_id {
                self.recorded.insert(trip.clone());
            }
        }
    }

    /// Everything is as it should be, a second after the last report and a lease after the last fault.
    pub(super) fn judge(&mut self) {
        let leaders = self.replicas.iter().filter(|replica| replica.leads).count();
        if leaders != 1 {
            self.breaks(format!("{leaders} replicas lead"));
        }
        for (object, name) in OBJECTS.iter().enumerate() {
            let expected = if self.operator.is_bad(object) {
                "Open"
            } else {
                "Closed"
            };
            let states: Vec<_> = self
                .replicas
                .iter()
                .map(|each| each.state(object))
                .collect();
            if states.iter().any(|state| *state != expected) {
                self.breaks(format!("{name} is {states:?}, and should be {expected}"));
            }
            self.judge_receivers(object, expected);
        }
        let layers: Vec<_> = self
            .replicas
            .iter()
            .map(|each| each.layers.clone())
            .collect();
        if layers.iter().any(|each| *each != layers[0]) {
            self.breaks(format!("layers differ: {layers:#?}"));
        }
        let lost = self.recorded.iter();
        let lost = lost.filter(|trip| {
            !(self.pager.paged.contains(*trip) && self.pager.opened.contains_key(*trip))
        });
        let lost: Vec<_> = lost.cloned().collect();
        if !lost.is_empty() {
            self.breaks(format!("nobody was told of {lost:?}"));
        }
    }

    fn judge_receivers(&mut self, object: usize, expected: &str) {
        let trips: Vec<_> = self
            .replicas
            .iter()
            .map(|each| each.trip(object).0)
            .collect();
        if trips.iter().any(|trip| *trip != trips[0]) {
            self.breaks(format!("trips differ: {trips:?}"));
        }
        let firing = self.pager.firing.get(&object).map(|(trip, _)| trip.clone());
        let wanted = (expected == "Open").then(|| trips[0].clone());
        if firing != wanted {
            self.breaks(format!(
                "object {object} is {expected} by {trips:?}, and the alert of {firing:?} fires"
            ));
        }
        if let Some(trip) = wanted
            && !self.pager.opened.contains_key(&trip)
        {
            self.breaks(format!("no Event tells of {trip}"));
        }
    }
}

fn positions(status: &CircuitPolicyStatus) -> BTreeMap<String, Position> {
    let records = status.circuits.iter();
    let positions = records.map(|record| {
        let position = match record.state {
            CircuitState::Open => (record.incident, 0, 0),
            CircuitState::HalfOpen => (record.incident, 1, record.step.unwrap_or(0)),
            _ => (record.incident, 2, 0),
        };
        (record.name.clone(), position)
    });
    positions.collect()
}
