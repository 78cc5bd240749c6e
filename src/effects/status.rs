//! Statuses of fusegate's own objects, written to the object itself.
//!
//! The newest per object wins, and one equal to the last written is not written again. The status of
//! a deleted object is dropped. A contract's `incidents` are not touched: they belong to the
//! rollback executor.

mod dir;
mod kube;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use fusegate_crds::{
    CircuitOverrideStatus, CircuitPolicyStatus, Condition, ConditionContractStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use twox_hash::XxHash3_128;

use crate::effects::cluster::Cluster;
use crate::effects::delivery::{Deliver, Delivered, Failure, Limits};
use crate::effects::folder::{Folder, Order};
use crate::runtime::backoff::Backoff;
use crate::runtime::metrics::EffectKind;
use crate::wire::effect::{Acceptance, StatusWrite, Target};

pub(crate) use kube::Versions;

/// The limits of statuses: retried without end, because nothing else writes them.
pub(crate) const LIMITS: Limits = Limits {
    kind: EffectKind::Status,
    bound: 20_000,
    at_once: 8,
    within: Duration::from_secs(5),
    attempts: u32::MAX,
    backoff: Backoff {
        base: Duration::from_millis(250),
        max: Duration::from_secs(30),
    },
};

/// One of fusegate's own kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Policy,
    Contract,
    Override,
}

/// The object whose status it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StatusOwner {
    kind: Kind,
    namespace: Box<str>,
    name: Box<str>,
}

/// A status to be written; serialized only then.
#[derive(Debug)]
pub(crate) struct StatusUpdate {
    uid: Box<str>,
    order: Order,
    status: Status,
}

#[derive(Debug)]
enum Status {
    Policy(Arc<CircuitPolicyStatus>),
    Contract(Arc<ConditionContractStatus>),
    Override(Acceptance),
}

/// Where statuses are written.
pub(crate) enum Statuses {
    Kube(Cluster, Versions),
    Dir(Folder),
}

/// What was ordered in one turn of the engine comes after what was ordered in those before.
pub(crate) fn policy(
    write: StatusWrite<CircuitPolicyStatus>,
    order: Order,
) -> (StatusOwner, StatusUpdate) {
    let status = Status::Policy(write.status);
    update(Kind::Policy, write.target, order, status)
}

pub(crate) fn contract(write: StatusWrite<ConditionContractStatus>) -> (StatusOwner, StatusUpdate) {
    let status = Status::Contract(write.status);
    update(Kind::Contract, write.target, Order::default(), status)
}

pub(crate) fn acceptance(acceptance: Acceptance) -> (StatusOwner, StatusUpdate) {
    let target = acceptance.target.clone();
    let status = Status::Override(acceptance);
    update(Kind::Override, target, Order::default(), status)
}

/// Writes policies' statuses ahead of their executor: what is about to be published must not be forgotten by a
/// process that dies in the next moment. What can't be written is left to the executor, which tries again.
pub(crate) fn write_ahead(
    folder: &Folder,
    order: Order,
    writes: &[StatusWrite<CircuitPolicyStatus>],
) {
    for write in writes {
        let (namespace, name) = (&write.target.namespace, &write.target.name);
        let layout = folder.layout();
        let path = layout.status_path(Kind::Policy.name(), namespace, name);
        let written = serde_json::to_vec_pretty(&*write.status)
            .map_err(io::Error::from)
            .and_then(|bytes| folder.write_ahead(&path, order, &bytes));
        if let Err(error) = written {
            tracing::debug!(%error, namespace = &**namespace, policy = &**name, "a status was not written before what it is about was published");
        }
    }
}

/// Whose status a policy's is.
pub(crate) fn owner(policy: &Target) -> StatusOwner {
    StatusOwner {
        kind: Kind::Policy,
        namespace: policy.namespace.clone(),
        name: policy.name.clone(),
    }
}

fn update(kind: Kind, target: Target, order: Order, status: Status) -> (StatusOwner, StatusUpdate) {
    let owner = StatusOwner {
        kind,
        namespace: target.namespace,
        name: target.name,
    };
    let uid = target.uid;
    let update = StatusUpdate { uid, order, status };
    (owner, update)
}

impl Deliver for Statuses {
    type Key = StatusOwner;
    type Value = StatusUpdate;

    async fn deliver(
        &self,
        owner: &StatusOwner,
        update: &StatusUpdate,
    ) -> Result<Delivered, Failure> {
        let status = update
            .json()
            .map_err(|error| Failure::Permanent(format!("encoding the status: {error}")))?;
        let delivered = match self {
            Self::Kube(cluster, versions) => {
                kube::apply(cluster, versions, owner, &update.uid, status).await
            }
            Self::Dir(folder) => dir::write(folder, owner, update.order, status).await,
        }?;
        if let Some((reason, message)) = update.refusal() {
            tracing::warn!(about = %owner, reason = format_args!("{reason}: {message}"), "not accepted; its last accepted version stays in force, if there was one");
        }
        Ok(delivered)
    }

    fn digest(&self, update: &StatusUpdate) -> Option<u128> {
        if let (Self::Dir(_), Status::Policy(_)) = (self, &update.status) {
            // Another one may have been written ahead since.
            return None;
        }
        let text = update.json().ok()?.to_string();
        Some(XxHash3_128::oneshot(
            format!("{}\0{text}", update.uid).as_bytes(),
        ))
    }
}

impl StatusUpdate {
    /// Reason and message if the object is not accepted. They are logged, because people look at the
    /// log before they look at the status.
    fn refusal(&self) -> Option<(&str, &str)> {
        let conditions = match &self.status {
            Status::Policy(status) => &status.conditions,
            Status::Contract(status) => &status.conditions,
            Status::Override(told) => {
                return (!told.accepted).then_some((&*told.reason, &*told.message));
            }
        };
        conditions
            .iter()
            .find(|condition| condition.type_ == "Accepted" && condition.status == "False")
            .map(|condition| (&*condition.reason, &*condition.message))
    }

    fn json(&self) -> serde_json::Result<Value> {
        match &self.status {
            Status::Policy(status) => serde_json::to_value(status),
            Status::Contract(status) => {
                let mut status = serde_json::to_value(status)?;
                if let Some(fields) = status.as_object_mut() {
                    fields.remove("incidents");
                }
                Ok(status)
            }
            Status::Override(acceptance) => serde_json::to_value(accepted(acceptance)),
        }
    }
}

fn accepted(acceptance: &Acceptance) -> CircuitOverrideStatus {
    let at = Timestamp::from_millisecond(acceptance.at).unwrap_or_default();
    CircuitOverrideStatus {
        observed_generation: Some(acceptance.generation),
        conditions: vec![Condition {
            type_: "Accepted".to_owned(),
            status: if acceptance.accepted { "True" } else { "False" }.to_owned(),
            reason: acceptance.reason.to_string(),
            message: acceptance.message.to_string(),
            observed_generation: Some(acceptance.generation),
            last_transition_time: Time(at),
        }],
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Policy => "CircuitPolicy",
            Self::Contract => "ConditionContract",
            Self::Override => "CircuitOverride",
        }
    }
}

impl fmt::Display for StatusOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind.name(), self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests;
