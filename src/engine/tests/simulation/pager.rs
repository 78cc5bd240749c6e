//! The receivers: Alertmanager and the Events of the API server, as they see what leaders tell.

use std::collections::{BTreeMap, BTreeSet};

use fusegate_crds::CircuitPolicyStatus;

use super::agenda::{Act, Deed, Time};
use super::run::Simulation;
use super::store::OBJECTS;
use crate::engine::state::record::is_tripped;
use crate::engine::tests::world::T0;
use crate::wire::effect::{Alert, KubeEvent};

const RESEND: Time = 30_000;
const HORIZON: Time = 240_000;

#[derive(Debug, Default)]
pub(super) struct Pager {
    /// By object: the trip of the alert that fires, and when it ends by itself.
    pub(super) firing: BTreeMap<usize, (String, i64)>,
    resolved: BTreeSet<String>,
    /// Trips of which no replica and no status knows any more, whose alerts end by themselves.
    pub(super) lost: BTreeSet<String>,
    /// The trips that an alert told of.
    pub(super) paged: BTreeSet<String>,
    /// The reasons by which Events told that a trip opened a circuit.
    pub(super) opened: BTreeMap<String, BTreeSet<&'static str>>,
    /// Of each time that an object was bad, the trip.
    trips: BTreeMap<usize, String>,
}

impl Pager {
    pub(super) fn lose(&mut self, trips: impl Iterator<Item = String>) {
        self.lost.extend(trips);
        let lost = &self.lost;
        self.firing.retain(|_, (trip, _)| !lost.contains(trip));
    }
}

fn object_of(alert: &Alert) -> Option<usize> {
    OBJECTS.iter().position(|name| {
        alert
            .labels
            .values()
            .any(|label| **label == **name || label.ends_with(&format!("/{name}")))
    })
}

impl Simulation {
    /// Adds or changes an alert, and sends it.
    pub(super) fn upsert(&mut self, by: usize, alert: Alert) {
        let labels = format!("{:?}", alert.labels);
        let replica = &mut self.replicas[by];
        let before = replica.alerts.insert(labels, alert.clone());
        if before.as_ref() != Some(&alert) {
            self.page(by, alert);
        }
    }

    /// Messages to Alertmanager arrive in their order. Whoever has been stopped for longer than its tenure sends none, be
    /// it what a turn decided before.
    fn page(&mut self, by: usize, alert: Alert) {
        if self.has_lapsed(by) {
            return;
        }
        let when = self.at + self.delay();
        let replica = &mut self.replicas[by];
        replica.paged_until = replica.paged_until.max(when);
        let (when, skew) = (replica.paged_until, replica.skew);
        self.agenda.enter(when, Act::Alert(Box::new(alert), skew));
    }

    pub(super) fn resend(&mut self, by: usize, term: u32) {
        let at = self.at;
        let replica = &self.replicas[by];
        let sender = replica.sender();
        self.agenda
            .enter(at + RESEND, Act::Do(sender, Deed::Resend(term)));
        if replica.leads {
            let alerts: Vec<Alert> = replica.alerts.values().cloned().collect();
            for alert in alerts {
                self.page(by, alert);
            }
        }
    }

    /// Whoever begins to lead goes on from the status as it is. Where the leader before died before it could write that a
    /// circuit had closed, the circuit is Open again, and sheds: its alert has to fire again.
    pub(super) fn goes_on_with(&mut self, status: &CircuitPolicyStatus) {
        for record in &status.circuits {
            if let Some(trip) = record.trip_id.as_ref().filter(|_| is_tripped(record)) {
                self.pager.resolved.remove(trip);
            }
        }
    }

    /// **Invariant**: no alert fires again for a trip that was resolved, but where the resolution was not written down, and
    /// each time that an object is bad is one trip.
    pub(super) fn alerted(&mut self, alert: &Alert, skew: i64) {
        let Some(object) = object_of(alert) else {
            return;
        };
        let text = |name: &str| {
            alert
                .annotations
                .get(name)
                .map_or("", |text| text)
                .to_owned()
        };
        let (trip, value) = (text("trip_id"), text("value"));
        let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
        let at = i64::try_from(self.at).unwrap();
        self.pager.paged.insert(trip.clone());
        if let Some(phase) = digits
            .parse()
            .ok()
            .and_then(|value| self.operator.phase(object, value))
        {
            let known = self
                .pager
                .trips
                .entry(phase)
                .or_insert_with(|| trip.clone());
            if *known != trip {
                let known = known.clone();
                self.breaks(format!("one bad time, two trips: {known} and {trip}"));
            }
        }
        let ends = alert.ends_at.map(|ends| ends - T0);
        match ends {
            Some(ends) => {
                let firing = self.pager.firing.get(&object);
                if firing.is_some_and(|(fires, _)| *fires == trip) {
                    self.pager.firing.remove(&object);
                    // A clock may be off by as much as is tolerated.
                    if ends > at + 31_000 {
                        self.pager.firing.insert(object, (trip.clone(), ends));
                    }
                }
                self.pager.resolved.insert(trip);
            }
            None if self.pager.resolved.contains(&trip) => {
                self.breaks(format!(
                    "the alert of trip {trip} fires after it was resolved"
                ));
            }
            None => {
                let ends = at + skew + i64::try_from(HORIZON).unwrap();
                if ends <= at {
                    self.breaks(format!("the alert of trip {trip} ends before it begins"));
                }
                if !self.pager.lost.contains(&trip) {
                    self.pager.firing.insert(object, (trip, ends));
                }
            }
        }
    }

    /// Sends an Event, again and again while the API server is out of reach.
    pub(super) fn send_event(&mut self, by: usize, term: u32, event: Box<KubeEvent>) {
        let replica = &self.replicas[by];
        if replica.term != term || self.has_lapsed(by) {
            return;
        }
        if replica.cut {
            let deed = Deed::SendEvent(term, event);
            self.agenda
                .enter(self.at + 700, Act::Do(replica.sender(), deed));
            return;
        }
        let when = self.at + self.delay();
        self.agenda.enter(when, Act::Event(event));
    }

    /// **Invariant**: that a trip opened a circuit is told by one Event, which may arrive several times.
    pub(super) fn told(&mut self, event: &KubeEvent) {
        if !matches!(event.reason, "CircuitOpened" | "CircuitReopened") {
            return;
        }
        let trip = event.once.split('/').nth(1).unwrap_or_default().to_owned();
        let reasons = self.pager.opened.entry(trip.clone()).or_default();
        reasons.insert(event.reason);
        if reasons.len() > 1 {
            self.breaks(format!("trip {trip} is told twice: {event:?}"));
        }
    }
}
