//! Alerts: what should be firing, derived from the state, and the difference to what is.

use std::collections::BTreeMap;
use std::mem::discriminant;
use std::sync::Arc;

use fusegate_crds::RollbackMode;

use crate::breaker::circuit::{Forced, Trip};
use crate::breaker::time::Now;
use crate::engine::Engine;
use crate::engine::outputs::text;
use crate::engine::state::circuit::{CircuitEntry, Cue, Mark};
use crate::engine::state::key::Key;
use crate::engine::state::kind::RollbackState;
use crate::engine::state::policy::PolicyEntry;
use crate::spec::policy::Policy;
use crate::wire::effect::{Action, Alert, Effect, Line};
use crate::wire::event::GroupKind;

/// A circuit is not Closed.
const OPEN: &str = "CircuitBreakerOpen";

/// A trip was due, and the open cap held it back.
const SUPPRESSED: &str = "CircuitBreakerSuppressed";

type Text = BTreeMap<Box<str>, Box<str>>;

impl Engine {
    /// Fires, updates and resolves, so that what is firing is what should be.
    pub(crate) fn sync_alerts(&mut self, now: Now, key: &Key, uid: &Arc<str>) {
        if !self.knows_orders() {
            // An override that is not known yet may have silenced it.
            return;
        }
        let mark = self.alert_mark(key, uid);
        let wanted = self.wanted_alerts(now, key, uid);
        let Some(entry) = self.circuit_mut(key, uid) else {
            return;
        };
        entry.alerted = mark;
        if wanted.is_empty() && entry.alerts.is_empty() {
            return;
        }
        let firing = std::mem::take(&mut entry.alerts);
        let ended = cause_of_end(entry.cause);
        let object = text::resource(&entry.kind, &key.0, &entry.object);
        let mut changes = Vec::new();
        let mut kept = Vec::new();
        let mut lines = Vec::new();
        for mut alert in wanted {
            let before = firing.iter().find(|before| before.labels == alert.labels);
            alert.starts_at = before.map_or(alert.starts_at, |before| before.starts_at);
            if before != Some(&alert) {
                changes.push(alert.clone());
            }
            if before.is_none() {
                let why = alert.annotations.get("summary").map_or("", |text| text);
                lines.push(line(
                    now,
                    key,
                    uid,
                    &object,
                    &alert,
                    format!("fires: {why}"),
                ));
            }
            kept.push(alert);
        }
        for mut alert in firing {
            if !kept.iter().any(|still| still.labels == alert.labels) {
                alert.ends_at = Some(now.wall.0.max(alert.starts_at));
                alert.annotations.insert("resolved_by".into(), ended.into());
                let why = format!("resolves: {ended}");
                lines.push(line(now, key, uid, &object, &alert, why));
                changes.push(alert);
            }
        }
        entry.alerts = kept;
        self.effects.extend(lines);
        self.effects.extend(changes.into_iter().map(Effect::Alert));
    }

    /// [`Self::sync_alerts`] of every circuit, once all that people order is known.
    pub(crate) fn sync_all_alerts(&mut self, now: Now) {
        for key in self.policies.keys().cloned().collect::<Vec<Key>>() {
            self.for_each_circuit(&key, |engine, uid| engine.sync_alerts(now, &key, uid));
        }
    }

    /// [`Self::sync_alerts`] after a step, most of which change nothing of what is firing.
    pub(crate) fn follow_alerts(&mut self, now: Now, key: &Key, uid: &Arc<str>) {
        let mark = self.alert_mark(key, uid);
        let told = self.circuit(key, uid).map(|entry| entry.alerted);
        if told != Some(mark) {
            self.sync_alerts(now, key, uid);
        }
    }

    fn alert_mark(&self, key: &Key, uid: &Arc<str>) -> Option<Mark> {
        let policy = self.policies.get(key)?;
        let entry = policy.circuits.get(uid)?;
        let suppressed = entry.breaker.suppressed;
        let kind = self.kinds.get(&entry.kind);
        Some(Mark {
            state: entry.state(),
            trip: entry.trip(),
            forced: entry.breaker.forced,
            latched: entry.breaker.latched,
            suppressed: suppressed.then(|| (policy.open_circuits(), policy.circuits.len())),
            rollback: kind.map(|kind| discriminant(&kind.rollback)),
        })
    }

    /// Says everything that is firing once more; for whoever leads anew.
    pub(crate) fn repeat_alerts(&mut self) {
        let circuits = self
            .policies
            .values()
            .flat_map(|policy| policy.circuits.values());
        let alerts: Vec<Effect> = circuits
            .flat_map(|entry| entry.alerts.iter().cloned().map(Effect::Alert))
            .collect();
        self.effects.extend(alerts);
    }

    fn wanted_alerts(&self, now: Now, key: &Key, uid: &Arc<str>) -> Vec<Alert> {
        let Some(policy) = self.policies.get(key) else {
            return Vec::new();
        };
        let (Some(lowered), Some(entry)) = (&policy.lowered, policy.circuits.get(uid)) else {
            return Vec::new();
        };
        if !lowered.alert || entry.breaker.forced == Some(Forced::Closed) {
            return Vec::new();
        }
        let open = entry
            .breaker
            .state
            .trip()
            .map(|trip| self.open_alert(key, policy, lowered, entry, trip));
        let suppressed = entry
            .breaker
            .suppressed
            .then(|| self.suppressed_alert(now, key, policy, lowered, entry));
        open.into_iter().chain(suppressed).collect()
    }

    fn open_alert(
        &self,
        key: &Key,
        policy: &PolicyEntry,
        lowered: &Policy,
        entry: &CircuitEntry,
        trip: &Trip,
    ) -> Alert {
        let condition = text::condition(lowered, trip);
        let mut annotations = self.annotations(lowered, entry);
        let object = text::resource(&entry.kind, &key.0, &entry.object);
        let told = text::trip(lowered, trip);
        let mode = if lowered.observe {
            "observe only, nothing is enforced: "
        } else {
            ""
        };
        annotations.insert(
            "summary".into(),
            format!(
                "{mode}circuit of {object} is {}: {told}",
                text::state(entry.state())
            )
            .into(),
        );
        annotations.insert(
            "description".into(),
            text::description(lowered, policy, entry, trip).into(),
        );
        annotations.insert("trip_id".into(), trip.id.to_string().into());
        annotations.insert(
            "value".into(),
            text::tripping_value(lowered, trip)
                .unwrap_or_else(|| "none".to_owned())
                .into(),
        );
        if lowered.rollback_schema && !lowered.observe {
            annotations.insert("rollback".into(), self.rollback_text(&entry.kind).into());
        }
        Alert {
            labels: self.labels(OPEN, key, lowered, entry, condition),
            annotations,
            starts_at: trip.at.0,
            ends_at: None,
        }
    }

    fn suppressed_alert(
        &self,
        now: Now,
        key: &Key,
        policy: &PolicyEntry,
        lowered: &Policy,
        entry: &CircuitEntry,
    ) -> Alert {
        let mut annotations = self.annotations(lowered, entry);
        let object = text::resource(&entry.kind, &key.0, &entry.object);
        let open = policy.open_circuits();
        annotations.insert(
            "summary".into(),
            format!("the circuit of {object} should be open, and the open cap holds it back")
                .into(),
        );
        annotations.insert(
            "description".into(),
            format!(
                "{open} of {} circuits of policy {}/{} are not Closed, and maxOpenPercent is {}. \
                 So many at once suggests that the source of the conditions broke, and not the services. \
                 Check the operator that writes them; if the services really are sick, raise maxOpenPercent or force this circuit Open.",
                policy.circuits.len(),
                key.0,
                key.1,
                lowered.max_open_percent
            )
            .into(),
        );
        Alert {
            labels: self.labels(SUPPRESSED, key, lowered, entry, "any"),
            annotations,
            starts_at: entry.suppressed_since.unwrap_or(now.wall).0,
            ends_at: None,
        }
    }

    /// The end of the alert of a trip that was recovered from lately.
    pub(crate) fn resolved_alert(&self, now: Now, key: &Key, uid: &Arc<str>) -> Option<Alert> {
        let policy = self.policies.get(key)?;
        let (lowered, entry) = (policy.lowered.as_ref()?, policy.circuits.get(uid)?);
        let ended = entry.lately_ended(now).filter(|_| lowered.alert)?;
        let mut alert = self.open_alert(key, policy, lowered, entry, &ended.trip);
        alert.ends_at = Some(entry.since.0.max(alert.starts_at));
        alert
            .annotations
            .insert("resolved_by".into(), cause_of_end(Cue::Report).into());
        Some(alert)
    }

    /// The identity. No value, streak or attempt may stand here.
    pub(crate) fn labels(
        &self,
        name: &str,
        key: &Key,
        lowered: &Policy,
        entry: &CircuitEntry,
        condition: &str,
    ) -> Text {
        let severity = if lowered.observe {
            "info"
        } else {
            lowered.severity
        };
        let labels = [
            ("alertname", name),
            ("severity", severity),
            ("cluster", &self.settings.cluster),
            ("namespace", &key.0),
            ("kind", &entry.kind.kind),
            ("name", &entry.object),
            ("condition", condition),
            ("breaker", &key.1),
        ];
        labels
            .into_iter()
            .map(|(name, text)| (name.into(), text.into()))
            .collect()
    }

    fn annotations(&self, lowered: &Policy, entry: &CircuitEntry) -> Text {
        let mut annotations: Text = lowered.annotations.iter().cloned().collect();
        annotations.insert("state".into(), text::state(entry.state()).into());
        annotations.insert(
            "link".into(),
            format!("{}/v1/circuits", self.settings.link).into(),
        );
        annotations
    }

    /// What an alert says of the rollback.
    pub(crate) fn rollback_text(&self, kind: &GroupKind) -> String {
        match self.kinds.get(kind).map(|entry| &entry.rollback) {
            None | Some(RollbackState::None) => self.rollback_unknown(kind),
            Some(RollbackState::Ordered { target, .. }) => {
                format!("under way to revision {target}")
            }
            Some(RollbackState::Done { target: 0 }) => "done".to_owned(),
            Some(RollbackState::Done { target }) => {
                format!("done: the CRD is at revision {target}")
            }
            Some(RollbackState::Proposed { target }) => {
                format!("proposed: apply revision {target}")
            }
            Some(RollbackState::Blocked { reason, message }) => {
                format!("RollbackBlocked {reason}: {message}")
            }
        }
    }

    /// What is said of a rollback that was neither ordered nor blocked.
    fn rollback_unknown(&self, kind: &GroupKind) -> String {
        let spec = self
            .contract_of(kind)
            .and_then(|contract| contract.spec.as_ref());
        let asked = spec.is_some_and(|spec| spec.rollback.mode != RollbackMode::Off);
        let text = if asked {
            "none so far: it is decided once the CRD and its revisions are known, and a schema that came after the trip stays"
        } else {
            "not asked for by the contract"
        };
        text.to_owned()
    }
}

/// One audit line for an alert that begins or ends; what merely changes in between is in the lines of what changed it.
fn line(now: Now, key: &Key, uid: &str, object: &str, alert: &Alert, why: String) -> Effect {
    Effect::Audit(Box::new(Line {
        at: now.wall.0,
        action: Action::Effect,
        source: "effect",
        resource: object.into(),
        uid: uid.into(),
        operation: "Alert".into(),
        verdict: "Ordered",
        reason: why.into(),
        policy: Some(format!("{}/{}", key.0, key.1).into()),
        trip_id: alert.annotations.get("trip_id").cloned(),
        ..Line::default()
    }))
}

fn cause_of_end(cue: Cue) -> &'static str {
    match cue {
        Cue::Deleted => "Deleted",
        Cue::PolicyDeleted => "PolicyDeleted",
        Cue::Unselected => "Unselected",
        Cue::Override => "Override",
        Cue::Report | Cue::Timer | Cue::Policy | Cue::Leader => "Recovered",
    }
}
