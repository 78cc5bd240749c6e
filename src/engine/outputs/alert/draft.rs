//! A draft: an alert as it should fire now, whatever is firing.

use std::collections::BTreeMap;
use std::sync::Arc;

use fusegate_crds::CircuitRecord;

use crate::breaker::circuit::{Circuit, Forced, Identity, Trip};
use crate::breaker::time::Now;
use crate::engine::outputs::text;
use crate::engine::state::State;
use crate::engine::state::circuit::CircuitEntry;
use crate::engine::state::key::Key;
use crate::engine::state::kind::RollbackState;
use crate::engine::state::policy::PolicyEntry;
use crate::spec::policy::Policy;
use crate::wire::effect::Alert;

/// A circuit is not Closed.
const OPEN: &str = "CircuitBreakerOpen";

/// A trip was due, and the open cap held it back.
const SUPPRESSED: &str = "CircuitBreakerSuppressed";

/// Another policy's outage explains that a circuit is not Closed: it keeps the circuit's own alerts from being told.
const INHIBITED: &str = "CircuitBreakerInhibited";

/// Somebody brings back the schema that a rollback left.
const CONTESTED: &str = "CircuitBreakerRollbackContested";

type Text = BTreeMap<Box<str>, Box<str>>;

/// The circuit that an alert is about.
#[derive(Clone, Copy)]
struct Subject<'a> {
    state: &'a State,
    key: &'a Key,
    policy: &'a PolicyEntry,
    lowered: &'a Policy,
    entry: &'a CircuitEntry,
}

/// The alerts that should be firing of a circuit.
pub(super) fn wanted(state: &State, now: Now, key: &Key, uid: &Arc<str>) -> Vec<Alert> {
    Subject::of(state, key, uid).map_or_else(Vec::new, |subject| subject.alerts(now))
}

/// The alerts that should be firing of a circuit by what was written down of it.
pub(super) fn recorded(state: &State, now: Now, key: &Key, record: &CircuitRecord) -> Vec<Alert> {
    let Some(policy) = state.policies.get(key) else {
        return Vec::new();
    };
    let (Some(lowered), Some(kind)) = (&policy.lowered, &policy.kind) else {
        return Vec::new();
    };
    let circuit = Circuit::new(Identity::new(&policy.uid, &record.uid));
    let mut entry = CircuitEntry::new(record.name.as_str().into(), kind.clone(), circuit, now);
    entry.take_up(record, &lowered.config, now);
    let subject = Subject {
        state,
        key,
        policy,
        lowered,
        entry: &entry,
    };
    subject.alerts(now)
}

/// The alert of a trip that was recovered from lately, as it ended.
pub(super) fn ended(state: &State, now: Now, key: &Key, uid: &Arc<str>) -> Option<Alert> {
    let subject = Subject::of(state, key, uid)?;
    let entry = subject.entry;
    let ended = entry.lately_ended(now).filter(|_| subject.lowered.alert)?;
    let mut alert = subject.open(&ended.trip);
    alert.ends_at = Some(entry.since.0.max(alert.starts_at));
    Some(alert)
}

impl<'a> Subject<'a> {
    fn of(state: &'a State, key: &'a Key, uid: &Arc<str>) -> Option<Self> {
        let (policy, lowered, entry) = state.judged(key, uid)?;
        Some(Self {
            state,
            key,
            policy,
            lowered,
            entry,
        })
    }

    fn alerts(self, now: Now) -> Vec<Alert> {
        let breaker = &self.entry.breaker;
        if !self.lowered.alert || breaker.forced == Some(Forced::Closed) {
            return Vec::new();
        }
        let trip = breaker.state.trip();
        let open = trip.map(|trip| self.open(trip));
        let contested = trip.and_then(|trip| self.contested(trip));
        let suppressed = breaker.suppressed.then(|| self.suppressed(now));
        let inhibited = self
            .state
            .open_root(self.key)
            .and_then(|root| self.inhibited(now, &root));
        let alerts = [open, contested, suppressed, inhibited];
        alerts.into_iter().flatten().collect()
    }

    fn open(self, trip: &Trip) -> Alert {
        let Self { lowered, entry, .. } = self;
        let mode = if lowered.observe {
            "observe only, nothing is enforced: "
        } else {
            ""
        };
        let value = text::tripping_value(lowered, trip);
        let mut annotations = self.annotations([
            (
                "summary",
                format!(
                    "{mode}circuit of {} is {}: {}",
                    self.object(),
                    entry.state().name(),
                    text::trip(lowered, trip)
                ),
            ),
            (
                "description",
                text::description(lowered, self.policy, entry, trip),
            ),
        ]);
        annotations.insert("trip_id".into(), trip.id.to_string().into());
        let value = value.unwrap_or_else(|| "none".to_owned());
        annotations.insert("value".into(), value.into());
        let root = self.state.open_root(self.key);
        if lowered.rollback_schema && !lowered.observe {
            let rollback = match &root {
                Some(root) => format!("none while {} is Open", text::policy(root)),
                None => text::rollback(self.state, &entry.kind),
            };
            annotations.insert("rollback".into(), rollback.into());
        }
        if let Some(root) = root {
            annotations.insert("root".into(), text::policy(&root).into());
        }
        let mut labels = self.labels(OPEN, text::condition(lowered, trip));
        if !self.state.dependents(self.key).is_empty() {
            labels.insert("root".into(), text::policy(self.key).into());
        }
        Alert {
            labels,
            annotations,
            starts_at: trip.at.0,
            ends_at: None,
        }
    }

    /// A page of its own, since whoever brings the schema back must be stopped by a person.
    fn contested(self, trip: &Trip) -> Option<Alert> {
        let Self { lowered, entry, .. } = self;
        let kind = self.state.kinds.get(&entry.kind)?;
        let RollbackState::Contested { message } = &kind.rollback else {
            return None;
        };
        if !lowered.rollback_schema || lowered.observe {
            return None;
        }
        let crd = text::crd(self.state, &entry.kind);
        let summary = format!("the rollback of {crd} is contested");
        let mut annotations =
            self.annotations([("summary", summary), ("description", message.to_string())]);
        annotations.insert("trip_id".into(), trip.id.to_string().into());
        Some(Alert {
            labels: self.labels(CONTESTED, text::condition(lowered, trip)),
            annotations,
            starts_at: trip.at.0,
            ends_at: None,
        })
    }

    fn suppressed(self, now: Now) -> Alert {
        let policy = self.policy;
        let object = self.object();
        let annotations = self.annotations([
            (
                "summary",
                format!("the circuit of {object} should be open, and the open cap holds it back"),
            ),
            (
                "description",
                format!(
                    "{} of {} circuits of policy {} are not Closed, and maxOpenPercent is {}. \
                     So many at once suggests that the source of the conditions broke, and not the services. \
                     Check the operator that writes them; if the services really are sick, raise maxOpenPercent or force this circuit Open.",
                    policy.open_circuits(),
                    policy.circuits.len(),
                    text::policy(self.key),
                    self.lowered.max_open_percent
                ),
            ),
        ]);
        Alert {
            labels: self.labels(SUPPRESSED, "any"),
            annotations,
            starts_at: self.entry.suppressed_since().unwrap_or(now.wall).0,
            ends_at: None,
        }
    }

    /// It shares the label `root` with the alert of the policy that explains the outage.
    fn inhibited(self, now: Now, root: &Key) -> Option<Alert> {
        let Self { entry, .. } = self;
        let trip = entry.breaker.state.trip();
        if trip.is_none() && !entry.breaker.suppressed {
            return None;
        }
        let root = text::policy(root);
        let summary = format!("{root} is Open, and explains {}", self.object());
        let description = format!(
            "Policy {} depends on {root}. While that is Open, the alerts of this circuit are inhibited, and its trips \
             roll nothing back. Its gate and what it sheds are as ever.",
            text::policy(self.key)
        );
        let annotations = self.annotations([("summary", summary), ("description", description)]);
        let mut labels = self.labels(INHIBITED, "any");
        labels.insert("severity".into(), "info".into());
        labels.insert("root".into(), root.into());
        Some(Alert {
            labels,
            annotations,
            starts_at: now.wall.0,
            ends_at: None,
        })
    }

    fn object(self) -> String {
        text::judged(self.state, &self.entry.kind, self.key, &self.entry.object)
    }

    /// The identity. No value, streak or attempt may stand here.
    fn labels(self, name: &str, condition: &str) -> Text {
        let severity = if self.lowered.observe {
            "info"
        } else {
            self.lowered.severity
        };
        let labels = [
            ("alertname", name),
            ("severity", severity),
            ("cluster", &self.state.settings.cluster),
            ("namespace", &self.key.0),
            ("kind", &self.entry.kind.kind),
            ("name", &self.entry.object),
            ("condition", condition),
            ("breaker", &self.key.1),
        ];
        let labels = labels.into_iter();
        labels
            .map(|(name, text)| (name.into(), text.into()))
            .collect()
    }

    /// Where the page tells this trip, or shows the circuit, where there is none.
    fn link(self) -> String {
        let page = &self.state.settings.link;
        let trip = self.entry.breaker.state.trip().map(|trip| trip.id);
        match trip.or(self.entry.ended().map(|ended| ended.trip.id)) {
            Some(trip) => format!("{page}/#/trips/{trip}"),
            None => format!(
                "{page}/#/circuits/{}/{}/{}",
                self.key.0, self.key.1, self.entry.object
            ),
        }
    }

    /// The policy's own annotations, and after them ours.
    fn annotations(self, texts: [(&str, String); 2]) -> Text {
        let mut annotations: Text = self.lowered.annotations.iter().cloned().collect();
        let state = self.entry.state().name().to_owned();
        let link = self.link();
        let ours = [("state", state), ("link", link)].into_iter().chain(texts);
        annotations.extend(ours.map(|(name, text)| (name.into(), text.into())));
        annotations
    }
}
