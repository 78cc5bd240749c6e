//! Admission: applies the policy by which the API server enforces a contract, or that by which it asks the webhook, and reports when it does.
//!
//! A policy takes effect a little after it is stored, and one that is bound wrongly never does, without anybody being told.
//! So a dry run that this very policy must deny is repeated until it is denied; only then is it reported as enforced.
//! See kubernetes#132502 and kubernetes#117263.

use std::fmt;
use std::sync::Arc;
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
use crate::wire::effect::{Admission, AdmissionPolicy, WebhookOrder};
use crate::wire::event::{AdmissionEnd, AdmissionOutcome, Event, WebhookOutcome};

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

/// How long an API server may take to store a policy: it compiles every expression first, which takes Kubernetes 1.32 seconds for 64 keys.
const APPLIED_WITHIN: Duration = Duration::from_secs(20);

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

/// The path of the configuration of webhooks, without its name.
const WEBHOOKS: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";

/// The name of ours; the walls keep effects from `crate::admission`, which makes the object.
const NAME: &str = "fusegate";

/// Applies policies and reports what came of it.
pub(crate) struct Admissions {
    /// Where; `None` in a directory.
    pub(crate) cluster: Option<Cluster>,
    /// Where outcomes go.
    pub(crate) reports: queue::Sender,
}

/// What is enforced.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Enforced {
    /// A contract, by a policy.
    Contract(Box<str>),
    /// All contracts that ask for the webhook.
    Webhook,
}

/// By what.
#[derive(Debug)]
pub(crate) enum Order {
    /// A policy.
    Policy(Admission),
    /// The webhook.
    Webhook(Arc<WebhookOrder>),
}

/// Why a policy is not known to be enforced.
struct Obstacle {
    reason: &'static str,
    message: String,
}

impl Deliver for Admissions {
    type Key = Enforced;
    type Value = Order;

    async fn deliver(&self, _: &Enforced, order: &Order) -> Result<Delivered, Failure> {
        match order {
            Order::Policy(admission) => self.deliver_policy(admission).await,
            Order::Webhook(order) => self.deliver_webhook(order).await,
        }
    }
}

impl Admissions {
    async fn deliver_policy(&self, admission: &Admission) -> Result<Delivered, Failure> {
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
        let (end, delivered) = ended(enforce(cluster, admission, policy).await);
        self.report(admission, policy, end).await;
        delivered
    }

    async fn deliver_webhook(&self, order: &WebhookOrder) -> Result<Delivered, Failure> {
        let Some(cluster) = &self.cluster else {
            return Ok(Delivered::Done);
        };
        let WebhookOrder::Apply {
            object,
            probe,
            marker,
        } = order
        else {
            delete(cluster, WEBHOOKS, NAME).await?;
            return Ok(Delivered::Done);
        };
        let (end, delivered) = ended(ask(cluster, object, probe, marker).await);
        let outcome = WebhookOutcome {
            marker: marker.clone(),
            end,
        };
        self.tell(Event::WebhookOutcome(outcome)).await;
        delivered
    }

    async fn report(&self, admission: &Admission, policy: &AdmissionPolicy, end: AdmissionEnd) {
        let outcome = AdmissionOutcome {
            contract: admission.contract.name.clone(),
            marker: policy.marker.clone(),
            end,
        };
        self.tell(Event::Admission(outcome)).await;
    }

    async fn tell(&self, event: Event) {
        if self.reports.send(event).await.is_err() {
            tracing::warn!(
                "admission was set up after the engine ended, so its outcome is not recorded"
            );
        }
    }
}

/// What is reported, and whether it is tried again.
fn ended(done: Result<(), Obstacle>) -> (AdmissionEnd, Result<Delivered, Failure>) {
    match done {
        Ok(()) => (AdmissionEnd::Enforced, Ok(Delivered::Done)),
        Err(Obstacle { reason, message }) => (
            failed(reason, &message),
            Err(Failure::Transient(format!("{reason}: {message}"))),
        ),
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
    const RIGHTS: &str = "validatingadmissionpolicies and validatingadmissionpolicybindings";
    for ((object, name), path) in policy.objects.iter().zip(&admission.names).zip(PATHS) {
        apply(cluster, (path, RIGHTS), name, object).await?;
    }
    denied(cluster, &policy.probe, &policy.marker, || {
        format!(
            "the API server stored ValidatingAdmissionPolicy {} and does not enforce it: a dry run that it must deny passed for {ENFORCED_WITHIN:?}; \
             look at its status and its binding",
            admission.names[0]
        )
    })
    .await
}

/// Applies the configuration of the webhook and waits until the probe is denied.
async fn ask(
    cluster: &Cluster,
    object: &Value,
    probe: &Value,
    marker: &str,
) -> Result<(), Obstacle> {
    apply(
        cluster,
        (WEBHOOKS, "validatingwebhookconfigurations"),
        NAME,
        object,
    )
    .await?;
    denied(cluster, probe, marker, || {
        format!(
            "the API server stored ValidatingWebhookConfiguration {NAME} and gets no answer from the webhook: a dry run that it must deny passed for \
             {ENFORCED_WITHIN:?}; it must reach --webhook-listen by --webhook-url, or by the Service that stands for it, through every network policy"
        )
    })
    .await
}

/// Waits until the probe is denied.
async fn denied(
    cluster: &Cluster,
    probe: &Value,
    marker: &str,
    passes: impl Fn() -> String,
) -> Result<(), Obstacle> {
    let denied = async {
        while !is_denied(cluster, probe, marker).await? {
            sleep(PROBE_EVERY).await;
        }
        Ok(())
    };
    timeout(ENFORCED_WITHIN, denied)
        .await
        .unwrap_or_else(|_elapsed| {
            Err(Obstacle {
                reason: "NotEnforced",
                message: passes(),
            })
        })
}

async fn apply(
    cluster: &Cluster,
    (path, rights): (&str, &str),
    name: &str,
    object: &Value,
) -> Result<(), Obstacle> {
    let params = PatchParams::apply(MANAGER).force();
    let request = Request::new(path).patch(name, &params, &Patch::Apply(object));
    let answer = cluster.request_within::<IgnoredAny>(APPLIED_WITHIN, request);
    answer.await.map(drop).map_err(|failure| {
        let reason = match &failure {
            ApiFailure::NotFound(_) => "NotServed",
            ApiFailure::Conflict(_) | ApiFailure::Unavailable(_) => "NotApplied",
            ApiFailure::Refused(_) => "Refused",
        };
        Obstacle {
            reason,
            message: format!("applying {} {name}: {failure}; fusegate needs get, create, patch and delete of {rights}", object["kind"].as_str().unwrap_or_default()),
        }
    })
}

/// Whether the API server denies the probe by this very policy.
async fn is_denied(cluster: &Cluster, probe: &Value, marker: &str) -> Result<bool, Obstacle> {
    let obstacle = |message: String| Obstacle {
        reason: "NotProbed",
        message: format!(
            "probing with a dry run of creating a ControllerRevision in namespace {}: {message}",
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
    let request = Request::new(path).create(&params, probe.to_string().into_bytes());
    let request = request.map_err(|error| obstacle(error.to_string()))?;
    match timeout(
        REQUEST_WITHIN,
        cluster.client.request::<IgnoredAny>(request),
    )
    .await
    {
        Ok(Ok(_)) => Ok(false),
        Ok(Err(Error::Api(status))) if status.message.contains(marker) => Ok(true),
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
        delete(cluster, path, name).await?;
    }
    Ok(())
}

async fn delete(cluster: &Cluster, path: &str, name: &str) -> Result<(), Failure> {
    let request = Request::new(path).delete(name, &DeleteParams::default());
    match cluster.send(request).await {
        Ok(()) | Err(ApiFailure::NotFound(_)) => Ok(()),
        Err(answer) => Err(answer.into()),
    }
}

impl fmt::Display for Enforced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contract(name) => f.write_str(name),
            Self::Webhook => f.write_str("the webhook"),
        }
    }
}
