//! Admission on a real API server: a policy that is stored and not enforced is never called ready.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use fusegate::{
    admission::policy::{self, Source},
    breaker::time::Span,
    condition::contract::Contract,
    source::queue,
    wire::{
        effect::{Admission, AdmissionPolicy, Effect, Target},
        event::{AdmissionEnd, Event},
    },
};
use fusegate_crds::AdmissionMode;
use k8s_openapi::api::{
    admissionregistration::v1::ValidatingAdmissionPolicy, apps::v1::Deployment,
};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::effects_kube::dispatcher;
use crate::support::{
    servers::apiserver::{ApiServer, unique},
    wait::eventually,
};

mod largest;

const SOON: Duration = Duration::from_mins(1);

/// A kind, and what of it a contract declares.
struct Judged {
    group: String,
    plural: &'static str,
    /// The conditions, and whatever else the contract says.
    spec: Value,
    mode: AdmissionMode,
}

/// A kind that nobody serves.
fn foos() -> Judged {
    Judged {
        group: format!("{}.example.com", unique("admission")),
        plural: "foos",
        spec: json!({"conditions": [{"key": "error-rate", "type": "Number", "maximum": 1}]}),
        mode: AdmissionMode::Warn,
    }
}

/// The policy of a contract, as the engine orders it.
fn order(judged: &Judged, namespace: &str) -> Result<Admission> {
    let Judged { group, plural, .. } = judged;
    let name = format!("{plural}.{group}");
    let mut spec = judged.spec.clone();
    spec["target"] = json!({"group": group, "kind": "Judged"});
    spec["rollback"] = json!({"mode": "Off"});
    let contract = Contract::try_new(&name, &serde_json::from_value(spec)?);
    let contract = contract.map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let policy = policy::policy(&Source {
        contract: &contract,
        uid: "00000000-0000-0000-0000-000000000001",
        mode: judged.mode,
        group,
        version: "v1",
        plural,
        namespace,
        frozen: &[],
    });
    let policy = policy.context("no policy")?;
    Ok(Admission {
        contract: Target {
            namespace: "".into(),
            name: name.as_str().into(),
            uid: "00000000-0000-0000-0000-000000000001".into(),
        },
        names: policy::names(&name).map(Into::into),
        policy: Some(Arc::new(AdmissionPolicy {
            probe: policy.probe,
            marker: policy.marker.as_str().into(),
            objects: policy.objects,
        })),
    })
}

async fn end(ends: &mut queue::Receiver) -> Result<AdmissionEnd> {
    let event = tokio::time::timeout(SOON, ends.recv()).await?;
    match event.context("the executor has ended")? {
        Event::Admission(outcome) => Ok(outcome.end),
        other => bail!("{other:?}"),
    }
}

#[tokio::test]
async fn a_policy_that_denies_its_probe_is_enforced_and_can_be_removed() -> Result<()> {
    let server = ApiServer::shared().await?;
    let namespace = server.namespace("admission").await?;
    let (dispatcher, mut ends) = dispatcher(server.client().await?, &namespace)?;
    let order = order(&foos(), &namespace)?;
    dispatcher.dispatch(Effect::Admission(Box::new(order.clone())));
    assert_eq!(end(&mut ends).await?, AdmissionEnd::Enforced);

    let name = order.names[0].to_string();
    let removal = Admission {
        policy: None,
        ..order
    };
    dispatcher.dispatch(Effect::Admission(Box::new(removal)));
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(server.client().await?);
    eventually("the policy to be gone", SOON, async || {
        ensure!(policies.get_opt(&name).await?.is_none());
        Ok(())
    })
    .await?;
    dispatcher.drain(Span::from_secs(20)).await;
    Ok(())
}

#[tokio::test]
async fn a_policy_that_is_stored_and_not_enforced_is_never_called_ready() -> Result<()> {
    let server = ApiServer::start_without_policies().await?;
    let namespace = server.namespace("admission").await?;
    let (dispatcher, mut ends) = dispatcher(server.client().await?, &namespace)?;
    let order = order(&foos(), &namespace)?;
    dispatcher.dispatch(Effect::Admission(Box::new(order)));
    match end(&mut ends).await? {
        AdmissionEnd::Failed { reason, message } => {
            assert_eq!(&*reason, "NotEnforced");
            ensure!(
                message.contains("a dry run that it must deny passed"),
                "{message}"
            );
        }
        AdmissionEnd::Enforced => bail!("called enforced"),
    }
    Ok(())
}

#[tokio::test]
async fn a_built_in_kind_is_enforced_as_one_with_a_crd_is() -> Result<()> {
    let server = ApiServer::start().await?;
    let client = server.client().await?;
    let (own, namespace) = (
        server.namespace("own").await?,
        server.namespace("shop").await?,
    );
    let (dispatcher, mut ends) = dispatcher(client.clone(), &own)?;
    let judged = Judged {
        group: "apps".to_owned(),
        plural: "deployments",
        spec: json!({"conditions": [{"key": "Available", "type": "Boolean"}]}),
        mode: AdmissionMode::Deny,
    };
    dispatcher.dispatch(Effect::Admission(Box::new(order(&judged, &own)?)));
    assert_eq!(end(&mut ends).await?, AdmissionEnd::Enforced);

    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": {"name": "front"},
        "spec": {
            "selector": {"matchLabels": {"app": "front"}},
            "template": {
                "metadata": {"labels": {"app": "front"}},
                "spec": {"containers": [{"name": "front", "image": "front"}]},
            },
        },
    }))?;
    let status = |available: &str, progressing: &str| {
        json!({"status": {"replicas": 1, "conditions": [
            {"type": "Available", "status": available}, {"type": "Progressing", "status": progressing},
        ]}})
    };
    let says = "key \"Available\" must be true or false";
    for (namespace, denies) in [(&namespace, true), (&own, false)] {
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
        deployments
            .create(&PostParams::default(), &deployment)
            .await?;
        let write = async |status: &Value| {
            let patch = Patch::Merge(status);
            deployments
                .patch_status("front", &PatchParams::default(), &patch)
                .await
        };
        write(&status("True", "whatever")).await?;
        let refused = write(&status("maybe", "True")).await;
        let message = refused
            .err()
            .map_or_else(String::new, |error| error.to_string());
        assert_eq!(message.contains(says), denies, "{message}");
    }
    Ok(())
}
