//! Kubernetes Events about objects, for `kubectl describe` and for watchers of Events.
//!
//! The name of an Event is a hash of its content, so that creating it is idempotent.
//! Source: Kubernetes, `events.k8s.io/v1`. Every Event is also logged; in a directory it is only logged.

use std::fmt;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::api::{GetParams, PostParams};
use kube::core::{PartialObjectMeta, Request};
use twox_hash::XxHash3_64;

use crate::effects::cluster::{ApiFailure, Cluster, MANAGER, cut};
use crate::effects::delivery::{Deliver, Delivered, Failure, Limits};
use crate::runtime::backoff::Backoff;
use crate::runtime::metrics::EffectKind;
use crate::wire::effect::{KubeEvent, Regarding};

/// The limits of Events. Their content is also in the status and the log, so attempts end after about
/// a quarter of an hour.
pub(crate) const LIMITS: Limits = Limits {
    kind: EffectKind::KubeEvent,
    bound: 1_024,
    at_once: 2,
    within: Duration::from_secs(5),
    attempts: 32,
    backoff: Backoff {
        base: Duration::from_millis(500),
        max: Duration::from_secs(30),
    },
};

/// The limits of Events about gate answers, which every replica reports for itself.
pub(crate) const GATE_LIMITS: Limits = Limits {
    kind: EffectKind::GateNote,
    ..LIMITS
};

/// The reporting controller, as a qualified name.
pub(crate) const CONTROLLER: &str = "fusegate.io/fusegate";

/// The longest `note` and the longest `reportingInstance`.
const LONGEST_NOTE: usize = 1_024;
const LONGEST_INSTANCE: usize = 128;

/// Where Events go.
pub(crate) enum KubeEvents {
    /// To the API server, reported by this replica.
    Kube { cluster: Cluster, instance: String },
    /// To the log only.
    Log,
}

/// The Event's own identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    namespace: Box<str>,
    name: Box<str>,
}

impl Identity {
    /// Events about cluster-scoped objects live in `default`.
    pub(crate) fn of(note: &KubeEvent) -> Self {
        let regarding = &note.regarding;
        let namespace = match &*regarding.target.namespace {
            "" => "default",
            namespace => namespace,
        };
        let parts = [
            &*regarding.kind,
            &regarding.target.namespace,
            &regarding.target.name,
            &regarding.target.uid,
            note.reason,
            &note.once,
        ];
        let hash = XxHash3_64::oneshot(parts.join("\0").as_bytes());
        let object = cut(&regarding.target.name, 200).trim_end_matches(['.', '-']);
        Self {
            namespace: namespace.into(),
            name: format!("{object}.{hash:016x}").into(),
        }
    }
}

impl Deliver for KubeEvents {
    type Key = Identity;
    type Value = KubeEvent;

    async fn deliver(&self, identity: &Identity, note: &KubeEvent) -> Result<Delivered, Failure> {
        let Self::Kube { cluster, instance } = self else {
            log(note);
            return Ok(Delivered::Done);
        };
        let mut note = note.clone();
        if let Some(plural) = plural_of_foreign(&note) {
            match uid(cluster, plural, &note).await {
                Ok(uid) => note.regarding.target.uid = uid.into(),
                Err(ApiFailure::NotFound(_)) => return Ok(Delivered::Gone),
                // Without the right to read it the Event names it all the same; `kubectl describe` does not show it.
                Err(_) => {}
            }
        }
        let delivered = match create(cluster, identity, &note, instance).await {
            Ok(()) | Err(ApiFailure::Conflict(_)) => Delivered::Done,
            Err(ApiFailure::NotFound(_)) => Delivered::Gone,
            Err(answer) => return Err(answer.into()),
        };
        log(&note);
        Ok(delivered)
    }

    async fn give_up(&self, _: &Identity, note: &KubeEvent, _: &str) {
        log(note);
    }
}

/// The resource of a kind that isn't ours and of which whoever told it knows no uid.
fn plural_of_foreign(note: &KubeEvent) -> Option<&'static str> {
    let regarding = &note.regarding;
    let known = !regarding.target.uid.is_empty();
    match &*regarding.kind {
        "Canary" if !known => Some("canaries"),
        "Rollout" if !known => Some("rollouts"),
        _ => None,
    }
}

/// Asks for an object's uid.
async fn uid(cluster: &Cluster, plural: &str, note: &KubeEvent) -> Result<String, ApiFailure> {
    let Regarding {
        api_version,
        target,
        ..
    } = &note.regarding;
    let url = format!(
        "/apis/{api_version}/namespaces/{}/{plural}",
        target.namespace
    );
    let request = Request::new(url).get(&target.name, &GetParams::default());
    let found: PartialObjectMeta = cluster.request(request).await?;
    let uid = found.metadata.uid;
    uid.ok_or_else(|| ApiFailure::Unavailable("an object without a uid".to_owned()))
}

async fn create(
    cluster: &Cluster,
    identity: &Identity,
    note: &KubeEvent,
    instance: &str,
) -> Result<(), ApiFailure> {
    let body = serde_json::to_vec(&event(identity, note, instance))
        .map_err(|error| ApiFailure::Refused(format!("encoding the Event: {error}")))?;
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    let url = Event::url_path(&(), Some(&identity.namespace));
    cluster.send(Request::new(url).create(&params, body)).await
}

fn event(identity: &Identity, note: &KubeEvent, instance: &str) -> Event {
    let target = &note.regarding.target;
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Event {
        metadata: ObjectMeta {
            name: Some(identity.name.to_string()),
            namespace: Some(identity.namespace.to_string()),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(
            Timestamp::from_millisecond(note.at).unwrap_or_default(),
        )),
        action: Some(note.action.to_owned()),
        reason: Some(note.reason.to_owned()),
        type_: Some(if note.warning { "Warning" } else { "Normal" }.to_owned()),
        note: Some(cut(&note.note, LONGEST_NOTE).to_owned()),
        regarding: Some(ObjectReference {
            api_version: some(&note.regarding.api_version),
            kind: some(&note.regarding.kind),
            namespace: some(&target.namespace),
            name: some(&target.name),
            uid: some(&target.uid),
            ..ObjectReference::default()
        }),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(cut(instance, LONGEST_INSTANCE).to_owned()),
        ..Event::default()
    }
}

fn log(note: &KubeEvent) {
    let target = &note.regarding.target;
    let about = format!(
        "{}/{}/{}",
        note.regarding.kind, target.namespace, target.name
    );
    let (reason, note, warning) = (note.reason, &note.note, note.warning);
    if warning {
        tracing::warn!(about, reason, "{note}");
    } else {
        tracing::info!(about, reason, "{note}");
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::effect::Target;

    #[test]
    fn equal_events_have_the_same_name_and_others_differ() {
        let name = |note: &KubeEvent| Identity::of(note).name;
        let again = note("shop", "t1");
        assert_eq!(name(&note("shop", "t1")), name(&again));
        assert_ne!(name(&note("shop", "t1")), name(&note("shop", "t2")));
        assert_ne!(name(&note("shop", "t1")), name(&note("other", "t1")));
    }

    #[test]
    fn an_event_fits_its_limits_whatever_it_is_about() {
        let mut long = note("", "t1");
        long.regarding.target.name = format!("{}.{}", "a".repeat(199), "b".repeat(53)).into();
        long.note = "é".repeat(1_000).into();
        let identity = Identity::of(&long);
        let event = event(&identity, &long, &"i".repeat(300));
        assert_eq!(event.metadata.namespace.as_deref(), Some("default"));
        let name = event.metadata.name.unwrap();
        assert!(name.len() <= 253 && !name.contains(".."), "{name}");
        assert!(event.note.unwrap().len() <= 1_024);
        assert_eq!(event.reporting_instance.unwrap().len(), 128);
    }

    fn note(namespace: &str, once: &str) -> KubeEvent {
        KubeEvent {
            regarding: Regarding {
                api_version: "fusegate.io/v1alpha1".into(),
                kind: "CircuitPolicy".into(),
                target: Target {
                    namespace: namespace.into(),
                    name: "checkout".into(),
                    uid: "u1".into(),
                },
            },
            warning: true,
            reason: "Tripped",
            action: "Open",
            note: "It tripped.".into(),
            once: once.into(),
            at: 1_700_000_000_000,
        }
    }
}
