//! The manifests at a real API server: taken as they are, and granting what is needed and no more.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::PostParams;
use kube::{Api, Client};
use rstest::rstest;

use super::documents;
use crate::support::servers::{
    apiserver::ApiServer,
    apply::{Keep, apply},
};

const NAMESPACE: &str = "fusegate-system";
const ACCOUNT: &str = "system:serviceaccount:fusegate-system:fusegate";

/// Makes fusegate's namespace, unless another test has made it.
pub(super) async fn namespace(client: &Client) -> Result<()> {
    for document in documents("deploy/kubernetes/namespace.yaml") {
        apply(client, NAMESPACE, &document, Keep::Yes).await?;
    }
    Ok(())
}

/// The namespace and the access rules are kept; other tests of the process may have made them already.
async fn prepared() -> Result<Client> {
    let client = ApiServer::shared().await?.client().await?;
    namespace(&client).await?;
    for document in documents("deploy/kubernetes/rbac.yaml") {
        apply(&client, NAMESPACE, &document, Keep::Yes).await?;
    }
    Api::<Namespace>::all(client.clone()).get(NAMESPACE).await?;
    Ok(client)
}

#[tokio::test]
async fn an_api_server_takes_every_manifest() -> Result<()> {
    let client = prepared().await?;
    for file in [
        "crds",
        "deployment",
        "services",
        "network-policy",
        "disruption-budget",
    ] {
        for document in documents(&format!("deploy/kubernetes/{file}.yaml")) {
            apply(&client, NAMESPACE, &document, Keep::No).await?;
        }
    }
    for file in [
        "examples/namespace",
        "examples/contracted-kind",
        "flagger/rights",
        "argo/rights",
    ] {
        for document in documents(&format!("deploy/{file}.yaml")) {
            apply(&client, NAMESPACE, &document, Keep::No).await?;
        }
    }
    Ok(())
}

async fn may(client: Client, verb: &str, what: &str, namespace: &str) -> Result<bool> {
    let (group, resource) = what.split_once('/').context("write group/resource")?;
    let (resource, subresource) = resource.split_once(':').unwrap_or((resource, ""));
    let (resource, name) = resource.split_once('=').unwrap_or((resource, ""));
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(ACCOUNT.to_owned()),
            resource_attributes: Some(ResourceAttributes {
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource: Some(subresource.to_owned()),
                name: Some(name.to_owned()),
                namespace: Some(namespace.to_owned()),
                verb: Some(verb.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let answer = Api::all(client)
        .create(&PostParams::default(), &review)
        .await?;
    Ok(answer.status.context("no answer")?.allowed)
}

/// A resource is written `group/resource`, then `=name` of the one meant, or `:subresource`.
#[rstest]
#[case::reads_contracts("watch", "fusegate.io/conditioncontracts", "", true)]
#[case::reads_policies("list", "fusegate.io/circuitpolicies", "", true)]
#[case::answers_in_the_status("patch", "fusegate.io/circuitpolicies:status", "shop", true)]
#[case::claims_incidents("patch", "fusegate.io/conditioncontracts:status", "", true)]
#[case::removes_overrides("delete", "fusegate.io/circuitoverrides", "shop", true)]
#[case::watches_crds("watch", "apiextensions.k8s.io/customresourcedefinitions", "", true)]
#[case::rolls_back("update", "apiextensions.k8s.io/customresourcedefinitions", "", true)]
#[case::tells_events("create", "events.k8s.io/events", "shop", true)]
#[case::stands_for_its_lease("update", "coordination.k8s.io/leases=fusegate", NAMESPACE, true)]
#[case::makes_its_lease("create", "coordination.k8s.io/leases", NAMESPACE, true)]
#[case::keeps_revisions("create", "apps/controllerrevisions", NAMESPACE, true)]
#[case::marks_revisions("patch", "apps/controllerrevisions", NAMESPACE, true)]
#[case::deletes_no_crd("delete", "apiextensions.k8s.io/customresourcedefinitions", "", false)]
#[case::makes_no_crd("create", "apiextensions.k8s.io/customresourcedefinitions", "", false)]
#[case::edits_no_policy("update", "fusegate.io/circuitpolicies", "shop", false)]
#[case::edits_no_contract("patch", "fusegate.io/conditioncontracts", "", false)]
#[case::takes_no_other_lease("update", "coordination.k8s.io/leases=other", NAMESPACE, false)]
#[case::keeps_no_revisions_elsewhere("create", "apps/controllerrevisions", "shop", false)]
#[case::reads_no_secrets("get", "/secrets", NAMESPACE, false)]
#[case::writes_no_objects("patch", "shop.example.com/storefronts:status", "shop", false)]
#[tokio::test]
async fn the_account_may_do_what_it_must_and_no_more(
    #[case] verb: &str,
    #[case] what: &str,
    #[case] namespace: &str,
    #[case] expected: bool,
) -> Result<()> {
    let client = prepared().await?;
    let allowed = may(client, verb, what, namespace).await?;
    ensure!(
        allowed == expected,
        "{verb} {what} in {namespace:?}: {allowed}"
    );
    Ok(())
}
