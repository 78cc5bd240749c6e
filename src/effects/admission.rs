//! Admission: applies the policy by which the API server enforces a contract, and reports when it does.
//!
//! A policy takes effect a little after it is stored, and one that is bound wrongly never does, without anybody being told.
//! So a dry run that this very policy must deny is repeated until it is denied; only then is it reported as enforced.
//! See kubernetes#132502 and kubernetes#117263.

use std::fmt;
use std::time::Duration;

use kube::Error;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::core::Request;
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::effects::cluster::{ApiFailure, Cluster, MANAGER, REQUEST_WITHIN, brief};
use crate::effects::delivery::{Deliver, Delivered, Failure, Limits};
use crate::runtime::backoff::Backoff;
use crate::runtime::metrics::EffectKind;
use crate::source::queue;
use crate::wire::effect::{Admission, AdmissionPolicy};
use crate::wire::event::{AdmissionEnd, AdmissionOutcome, Event};

/// The limits of admission: retried without end, since what stands in the way may be granted or installed.
pub(crate) const LIMITS: Limits = Limits {
    kind: EffectKind::Admission,
    bound: 1_024,
    at_once: 2,
    within: Duration::from_secs(40),
    attempts: u32::MAX,
    backoff: Backoff {
        base: Duration::from_secs(1),
        max: Duration::from_mins(1),
    },
};

/// How long a policy may take until it denies its probe; on a quiet API server that is about a second.
const ENFORCED_WITHIN: Duration = Duration::from_secs(15);

/// How often it is probed.
const PROBE_EVERY: Duration = Duration::from_millis(250);

/// The paths of the policy, its binding and the probe's, without their names.
const PATHS: [&str; 3] = [
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
];

/// Applies policies and reports what came of it.
pub(crate) struct Admissions {
    /// Where; `None` in a directory.
    pub(crate) cluster: Option<Cluster>,
    /// Where outcomes go.
    pub(crate) reports: queue::Sender,
}

/// The contract that is enforced.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Contract(pub(crate) Box<str>);

/// Why a policy is not known to be enforced.
struct Obstacle {
    reason: &'static str,
    message: String,
}

impl Deliver for Admissions {
    type Key = Contract;
    type Value = Admission;

    async fn deliver(&self, _: &Contract, admission: &Admission) -> Result<Delivered, Failure> {
        let Some(policy) = &admission.policy else {
            if let Some(cluster) = &self.cluster {
                remove(cluster, admission).await?;
            }
            return Ok(Delivered::Done);
        };
        let Some(cluster) = &self.cluster else {
            let message =
                "there is no API server to enforce a policy in a directory; write mode \"Off\"";
            self.report(admission, policy, failed("NoApiServer", message))
                .await;
            return Ok(Delivered::Done);
        };
        match enforce(cluster, admission, policy).await {
            Ok(()) => {
                self.report(admission, policy, AdmissionEnd::Enforced).await;
                Ok(Delivered::Done)
            }
            Err(Obstacle { reason, message }) => {
                self.report(admission, policy, failed(reason, &message))
                    .await;
                Err(Failure::Transient(format!("{reason}: {message}")))
            }
        }
    }
}

impl Admissions {
    async fn report(&self, admission: &Admission, policy: &AdmissionPolicy, end: AdmissionEnd) {
        let outcome = AdmissionOutcome {
            contract: admission.contract.name.clone(),
            marker: policy.marker.clone(),
            end,
        };
        if self.reports.send(Event::Admission(outcome)).await.is_err() {
            tracing::warn!(
                "a policy was applied after the engine ended, so its outcome is not recorded"
            );
        }
    }
}

fn failed(reason: &str, message: &str) -> AdmissionEnd {
    AdmissionEnd::Failed {
        reason: reason.into(),
        message: message.into(),
    }
}

/// Applies all objects and waits until the probe is denied.
async fn enforce(
    cluster: &Cluster,
    admission: &Admission,
    policy: &AdmissionPolicy,
) -> Result<(), Obstacle> {
    for ((object, name), path) in policy.objects.iter().zip(&admission.names).zip(PATHS) {
        apply(cluster, path, name, object).await?;
    }
    match timeout(ENFORCED_WITHIN, denied(cluster, policy)).await {
        Ok(denied) => denied,
        Err(_) => Err(Obstacle {
            reason: "NotEnforced",
            message: format!(
                "the API server stored ValidatingAdmissionPolicy {} and does not enforce it: a dry run that it must deny passed for {ENFORCED_WITHIN:?}; \
                 look at its status and its binding",
                admission.names[0]
            ),
        }),
    }
}

/// Waits until the probe is denied.
async fn denied(cluster: &Cluster, policy: &AdmissionPolicy) -> Result<(), Obstacle> {
    while !is_denied(cluster, policy).await? {
        sleep(PROBE_EVERY).await;
    }
    Ok(())
}

async fn apply(cluster: &Cluster, path: &str, name: &str, object: &Value) -> Result<(), Obstacle> {
    let params = PatchParams::apply(MANAGER).force();
    let request = Request::new(path).patch(name, &params, &Patch::Apply(object));
    let answer = cluster.send(request).await;
    answer.map_err(|failure| {
        let reason = match &failure {
            ApiFailure::NotFound(_) => "NotServed",
            ApiFailure::Conflict(_) | ApiFailure::Unavailable(_) => "NotApplied",
            ApiFailure::Refused(_) => "Refused",
        };
        Obstacle {
            reason,
            message: format!("applying {} {name}: {failure}; fusegate needs get, create, patch and delete of validatingadmissionpolicies and \
                validatingadmissionpolicybindings", object["kind"].as_str().unwrap_or_default()),
        }
    })
}

/// Whether the API server denies the probe by this very policy.
async fn is_denied(cluster: &Cluster, policy: &AdmissionPolicy) -> Result<bool, Obstacle> {
    let obstacle = |message: String| Obstacle {
        reason: "NotProbed",
        message: format!(
            "probing the policy with a dry run of creating a ControllerRevision in namespace {}: {message}",
            cluster.namespace
        ),
    };
    let params = PostParams {
        dry_run: true,
        field_manager: Some(MANAGER.to_owned()),
    };
    let path = format!(
        "/apis/apps/v1/namespaces/{}/controllerrevisions",
        cluster.namespace
    );
    let request = Request::new(path).create(&params, policy.probe.to_string().into_bytes());
    let request = request.map_err(|error| obstacle(error.to_string()))?;
    match timeout(
        REQUEST_WITHIN,
        cluster.client.request::<IgnoredAny>(request),
    )
    .await
    {
        Ok(Ok(_)) => Ok(false),
        Ok(Err(Error::Api(status))) if status.message.contains(&*policy.marker) => Ok(true),
        Ok(Err(Error::Api(status))) => Err(obstacle(brief(&status.message))),
        Ok(Err(error)) => Err(obstacle(ApiFailure::from(&error).to_string())),
        Err(_) => Err(obstacle(format!(
            "the API server did not answer within {REQUEST_WITHIN:?}"
        ))),
    }
}

/// Removes what was applied, the bindings first: a policy without one does nothing.
async fn remove(cluster: &Cluster, admission: &Admission) -> Result<(), Failure> {
    for (name, path) in admission.names.iter().zip(PATHS).rev() {
        let request = Request::new(path).delete(name, &DeleteParams::default());
        match cluster.send(request).await {
            Ok(()) | Err(ApiFailure::NotFound(_)) => {}
            Err(answer) => return Err(answer.into()),
        }
    }
    Ok(())
}

impl fmt::Display for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
