//! An order: that a policy's circuits are Open for a time, since an alert which the policy names fires.

use std::sync::Arc;

use jiff::Timestamp;
use twox_hash::XxHash3_64;

use crate::breaker::time::Wall;
use crate::serve::alertmanager::notification::Alert;
use crate::wire::view::{PolicyView, View};

/// The most characters of an alert's own words that a reason repeats.
const MOST_WORDS: usize = 500;

/// A `CircuitOverride` to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The policy's namespace.
    pub namespace: Arc<str>,
    /// Its name: the same for the same alert, policy and object, so that it is given once however often one is told.
    pub name: String,
    /// The policy.
    pub policy: Arc<str>,
    /// The object, if not all are meant.
    pub object: Option<String>,
    /// When it ends.
    pub until: Wall,
    /// Why, and who says so.
    pub reason: String,
}

/// What an alert means to a policy that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It forces circuits Open.
    Order(Order),
    /// It does not, and why.
    Nothing(String),
}

/// What an alert means to each policy that names it.
pub(super) fn meanings(view: &View, alert: &Alert, now: Wall) -> Vec<Meaning> {
    let concerned = view.policies.iter().filter(|((namespace, _), _)| {
        let of = alert.labels.get("namespace");
        of.is_none_or(|of| **of == **namespace)
    });
    concerned
        .filter_map(|(key, policy)| meaning(key, policy, alert, now))
        .collect()
}

fn meaning(
    (namespace, name): &(Arc<str>, Arc<str>),
    policy: &PolicyView,
    alert: &Alert,
    now: Wall,
) -> Option<Meaning> {
    let spec = policy.spec.as_ref().filter(|_| policy.rejected.is_none())?;
    let named = spec
        .open_on
        .iter()
        .find(|named| named.alert == alert.name())?;
    let nothing = |why: String| Some(Meaning::Nothing(format!("{namespace}/{name}: {why}")));
    let object = match &named.object {
        None => None,
        Some(label) => match alert.labels.get(label) {
            None => {
                return nothing(format!(
                    "the alert has no label {label}, which is to name the object"
                ));
            }
            Some(object) if !policy.circuits.contains_key(&**object) => {
                return nothing(format!(
                    "there is no circuit of the object that label {label} names"
                ));
            }
            Some(object) => Some(object.clone()),
        },
    };
    let start = alert.starts_at.as_millisecond().min(now.0);
    let lasts = i64::try_from(named.lasts.millis().ok()?).unwrap_or(i64::MAX);
    let until = Wall(start.saturating_add(lasts));
    if until <= now {
        return nothing(format!("over, {} after the alert's start", named.lasts));
    }
    Some(Meaning::Order(Order {
        namespace: namespace.clone(),
        name: identity(&policy.uid, object.as_deref(), alert),
        policy: name.clone(),
        object,
        until,
        reason: reason(alert),
    }))
}

fn identity(policy: &str, object: Option<&str>, alert: &Alert) -> String {
    let parts = [
        policy,
        object.unwrap_or_default(),
        &alert.fingerprint,
        &alert.starts_at.to_string(),
    ];
    format!(
        "alert-{:016x}",
        XxHash3_64::oneshot(parts.join("\n").as_bytes())
    )
}

fn reason(alert: &Alert) -> String {
    let told = ["summary", "description", "message"];
    let mut told = told.iter().filter_map(|name| alert.annotations.get(*name));
    let told = told.next().map(|words| format!(": {}", clean(words)));
    let told = told.unwrap_or_default();
    format!(
        "alert {} fires{told} (by alertmanager)",
        clean(alert.name())
    )
}

/// What somebody else wrote, on one line and not too long.
fn clean(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain = text.chars().filter(|char| !char.is_control());
    plain.take(MOST_WORDS).collect()
}

impl Order {
    /// What it orders, in a sentence.
    pub(super) fn text(&self) -> String {
        let Self {
            namespace, policy, ..
        } = self;
        let circuits = self.object.as_deref().unwrap_or("all circuits");
        let until = Timestamp::from_millisecond(self.until.0);
        let until = until.map_or_else(|_| String::new(), |until| until.to_string());
        format!("{namespace}/{policy} {circuits}: ForcedOpen until {until}")
    }
}
