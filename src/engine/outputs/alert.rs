//! Alerts: what should be firing, derived from the state, and the difference to what is.

mod draft;

use std::collections::BTreeSet;
use std::mem::discriminant;
use std::sync::Arc;

use crate::breaker::time::Now;
use crate::engine::outputs::outbox::{Dirty, Outbox};
use crate::engine::outputs::sent::Mark;
use crate::engine::outputs::{audit, text};
use crate::engine::state::State;
use crate::engine::state::circuit::Trigger;
use crate::engine::state::key::Key;
use crate::wire::audit::{Line, Operation, Verdict};
use crate::wire::effect::{Alert, Effect};
use crate::wire::event::GroupKind;

/// Fires, updates and resolves, so that what is firing is what should be.
pub(crate) fn sync(state: &State, out: &mut Outbox, now: Now, key: &Key, uid: &Arc<str>) {
    if !state.has_config() {
        // An override that is not known yet may have silenced it.
        return;
    }
    let Some(entry) = state.circuit(key, uid) else {
        return;
    };
    let mark = mark(state, key, uid);
    let sent = out.sent(key, uid).and_then(|sent| sent.alerted.as_ref());
    let root = |mark: Option<&Mark>| mark.and_then(|mark| mark.root.clone());
    if root(sent) != root(mark.as_ref()) {
        out.mark(Dirty::Circuit(key, uid));
    }
    let mut kept = draft::wanted(state, now, key, uid);
    let mut firing = Vec::new();
    out.update_sent(key, uid, |sent| {
        sent.alerted = mark;
        firing = std::mem::take(&mut sent.alerts);
    });
    if kept.is_empty() && firing.is_empty() {
        return;
    }
    let ended = cause_of_end(entry.cause);
    let object = text::judged(state, &entry.kind, key, &entry.object);
    let mut changes = Vec::new();
    for alert in &mut kept {
        let before = firing.iter().find(|before| before.labels == alert.labels);
        alert.starts_at = before.map_or(alert.starts_at, |before| before.starts_at);
        if before != Some(alert) {
            changes.push(Effect::Alert(alert.clone()));
        }
        if before.is_none() {
            let why = alert.annotations.get("summary").map_or("", |text| text);
            out.audit(line(now, key, uid, &object, alert, format!("fires: {why}")));
        }
    }
    for alert in firing {
        if !kept.iter().any(|still| still.labels == alert.labels) {
            let why = format!("resolves: {ended}");
            out.audit(line(now, key, uid, &object, &alert, why));
            changes.push(Effect::Alert(end(alert, ended, now)));
        }
    }
    out.update_sent(key, uid, |sent| sent.alerts = kept);
    out.effects.extend(changes);
}

/// [`sync`] of every circuit, once all that people order is known.
pub(crate) fn sync_all(state: &State, out: &mut Outbox, now: Now) {
    for (key, policy) in &state.policies {
        for uid in policy.circuits.keys() {
            sync(state, out, now, key, uid);
        }
    }
}

/// [`sync`] of every circuit whose outage a policy explains, or explains no more.
pub(crate) fn sync_dependents(state: &State, out: &mut Outbox, now: Now, key: &Key) {
    for dependent in state.dependents(key) {
        let policy = state.policies.get(&dependent);
        for uid in policy.into_iter().flat_map(|policy| policy.circuits.keys()) {
            follow(state, out, now, &dependent, uid);
        }
    }
}

/// [`sync`] of every circuit of a kind.
pub(crate) fn sync_kind(state: &State, out: &mut Outbox, now: Now, kind: &GroupKind) {
    let concerned = state.policies.iter();
    for (key, policy) in concerned.filter(|(_, policy)| policy.kind.as_ref() == Some(kind)) {
        for uid in policy.circuits.keys() {
            sync(state, out, now, key, uid);
        }
    }
}

/// [`sync`] after a step, most of which change nothing of what is firing.
pub(crate) fn follow(state: &State, out: &mut Outbox, now: Now, key: &Key, uid: &Arc<str>) {
    let sent = out.sent(key, uid).and_then(|sent| sent.alerted.as_ref());
    if sent != mark(state, key, uid).as_ref() {
        sync(state, out, now, key, uid);
    }
}

/// Says everything that is firing once more; for whoever leads anew.
pub(crate) fn repeat(out: &mut Outbox) {
    let circuits = out
        .policies
        .values()
        .flat_map(|sent| sent.circuits.values());
    let alerts = circuits.flat_map(|sent| sent.alerts.iter().cloned());
    out.effects.extend(alerts.map(Effect::Alert));
}

/// The end of the alert of a trip that was recovered from lately.
pub(crate) fn resolved(state: &State, now: Now, key: &Key, uid: &Arc<str>) -> Option<Alert> {
    let mut alert = draft::ended(state, now, key, uid)?;
    let resolved_by = cause_of_end(Trigger::Report).into();
    alert.annotations.insert("resolved_by".into(), resolved_by);
    Some(alert)
}

/// The ends of the alerts of circuits that the last leader wrote down, and whose objects have gone since. What fires of
/// another object of the same name goes on.
pub(crate) fn of_gone(state: &State, out: &Outbox, now: Now, key: &Key) -> Vec<Alert> {
    let Some(policy) = state.policies.get(key) else {
        return Vec::new();
    };
    let records = policy.observed_status.iter();
    let records = records.flat_map(|status| &status.circuits);
    let gone = records.filter(|record| {
        let uid = record.uid.as_str();
        !policy.circuits.contains_key(uid) && !policy.resume.contains_key(uid)
    });
    let mut alerts: Vec<Alert> = gone
        .flat_map(|record| draft::recorded(state, now, key, record))
        .collect();
    if !alerts.is_empty() {
        let sent = out.policies.get(key).into_iter();
        let sent = sent.flat_map(|sent| sent.circuits.values());
        let firing: BTreeSet<_> = sent
            .flat_map(|sent| sent.alerts.iter().map(|alert| &alert.labels))
            .collect();
        alerts.retain(|alert| !firing.contains(&alert.labels));
    }
    let ended = cause_of_end(Trigger::Deleted);
    let alerts = alerts.into_iter();
    alerts.map(|alert| end(alert, ended, now)).collect()
}

/// The alert as it ends now.
fn end(mut alert: Alert, resolved_by: &str, now: Now) -> Alert {
    alert.ends_at = Some(now.wall.0.max(alert.starts_at));
    let resolved_by = resolved_by.into();
    alert.annotations.insert("resolved_by".into(), resolved_by);
    alert
}

/// What a circuit's alerts are made of; of one at rest there are none.
fn mark(state: &State, key: &Key, uid: &Arc<str>) -> Option<Mark> {
    let policy = state.policies.get(key)?;
    let entry = policy.circuits.get(uid)?;
    if entry.is_at_rest() {
        return None;
    }
    let suppressed = entry.breaker.suppressed;
    let kind = state.kinds.get(&entry.kind);
    let root = state.open_root(key);
    Some(Mark {
        root,
        state: entry.state(),
        trip: entry.trip(),
        forced: entry.breaker.forced,
        latched: entry.breaker.past.latched,
        suppressed: suppressed.then(|| (policy.open_circuits(), policy.circuits.len())),
        rollback: kind.map(|kind| discriminant(&kind.rollback)),
    })
}

/// One audit line for an alert that begins or ends; what merely changes in between is in the lines of what changed it.
fn line(now: Now, key: &Key, uid: &Arc<str>, object: &str, alert: &Alert, why: String) -> Line {
    Line {
        uid: uid.clone(),
        policy: Some(text::policy(key).into()),
        trip_id: alert.annotations.get("trip_id").cloned(),
        ..audit::effect(now, Operation::Alert, Verdict::Ordered, object.into(), why)
    }
}

fn cause_of_end(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Deleted => "Deleted",
        Trigger::PolicyDeleted => "PolicyDeleted",
        Trigger::Unselected => "Unselected",
        Trigger::Override => "Override",
        Trigger::Report | Trigger::Denied | Trigger::Timer | Trigger::Policy | Trigger::Leader => {
            "Recovered"
        }
    }
}
