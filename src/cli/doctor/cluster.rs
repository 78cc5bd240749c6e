//! The cluster, as it is asked: fusegate's CRDs, its objects, its lease, and the rights of its account.

use fusegate_crds::{CircuitPolicy, ConditionContract};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, Error, Resource as _, ResourceExt, discovery};

use crate::cli::doctor::seconds;
use crate::doctor::{Finding, Holder, Right, Severity, conditions, crd, holder, right};
use crate::effects::cluster::{ApiFailure, Cluster};
use crate::runtime::leader::others;
use crate::runtime::shard::Shard;

/// The name of the account, as the chart has it.
const NAME: &str = "fusegate";

/// How many objects are asked for at once.
const PAGE: u32 = 500;

/// What is wrong in a cluster.
pub(super) async fn ask(cluster: &Cluster) -> Vec<Finding> {
    let Cluster { client, namespace } = cluster;
    let failed = |error: Error| ApiFailure::from(&error);
    let mut found = Vec::new();
    let mut contracts = Vec::new();
    let asked = [
        crds(client, &mut found).await.map_err(failed),
        objects(cluster, &mut found, &mut contracts).await,
        lease(client, namespace, &mut found).await.map_err(failed),
        rights(client, namespace, &contracts, &mut found)
            .await
            .map_err(failed),
    ];
    for error in asked.into_iter().filter_map(Result::err) {
        found.push(Finding {
            severity: Severity::Critical,
            code: "ClusterUnknown",
            about: "the cluster".to_owned(),
            message: error.to_string(),
            advice: "ask with an account that may read fusegate's objects and leases, and create subjectaccessreviews",
        });
    }
    found
}

async fn crds(client: &Client, found: &mut Vec<Finding>) -> Result<(), Error> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for ours in fusegate_crds::all() {
        let name = ours.name_any();
        let live = api.get_opt(&name).await?;
        let current = live.map(|live| live.spec.versions == ours.spec.versions);
        found.extend(crd(&name, current));
    }
    Ok(())
}

async fn objects(
    cluster: &Cluster,
    found: &mut Vec<Finding>,
    contracts: &mut Vec<ConditionContract>,
) -> Result<(), ApiFailure> {
    let url = ConditionContract::url_path(&(), None);
    *contracts = cluster.all(&url, PAGE).await?;
    for contract in &*contracts {
        let about = format!("contract {}", contract.name_any());
        let Some(status) = &contract.status else {
            continue;
        };
        found.extend(conditions(&about, &status.conditions));
        for query in &status.queries {
            found.extend(query.error.as_ref().map(|error| Finding {
                severity: Severity::Warning,
                code: "QueryFails",
                about: about.clone(),
                message: format!("the query for {}: {error}", query.key),
                advice: "run the query in Prometheus itself; check --prometheus",
            }));
        }
    }
    let policies: Vec<CircuitPolicy> = cluster
        .all(&CircuitPolicy::url_path(&(), None), PAGE)
        .await?;
    for policy in policies {
        let namespace = policy.namespace().unwrap_or_default();
        let about = format!("policy {namespace}/{}", policy.name_any());
        let status = policy.status.unwrap_or_default();
        found.extend(conditions(&about, &status.conditions));
    }
    Ok(())
}

async fn lease(client: &Client, namespace: &str, found: &mut Vec<Finding>) -> Result<(), Error> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let leases = leases.list(&ListParams::default()).await?.items;
    let of = |shard: Shard| {
        let mut leases = leases.iter();
        leases.find(|lease| lease.name_any() == others::name(shard))
    };
    // Leases of another number of shards stay when that is changed, and nobody holds them.
    let led = leases.iter().filter(|lease| held(lease).name.is_some());
    let totals = led.filter_map(|lease| Some(others::shard_of(&lease.name_any())?.total()));
    let total = totals.max().unwrap_or(1);
    for shard in (1..=total).filter_map(|number| Shard::new(number, total)) {
        let about = format!("lease {namespace}/{}", others::name(shard));
        found.extend(holder(&about, of(shard).map(held).as_ref()));
    }
    Ok(())
}

fn held(lease: &Lease) -> Holder<'_> {
    let spec = lease.spec.as_ref();
    let name = spec.and_then(|spec| spec.holder_identity.as_deref());
    let renewed = spec.and_then(|spec| spec.renew_time.as_ref());
    let lasts = spec.and_then(|spec| spec.lease_duration_seconds);
    Holder {
        name: name.filter(|name| !name.is_empty()),
        renewed: renewed.map(|at| seconds() - at.0.as_duration().as_secs_f64()),
        held_for: lasts.map_or(0.0, f64::from),
    }
}

/// Asks for each right whether fusegate's account has it.
async fn rights(
    client: &Client,
    namespace: &str,
    contracts: &[ConditionContract],
    found: &mut Vec<Finding>,
) -> Result<(), Error> {
    let account = format!("system:serviceaccount:{namespace}:{NAME}");
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    let mut needed = own();
    for contract in contracts {
        let target = &contract.spec.target;
        let group = discovery::group(client, &target.group).await?;
        let kind = group.recommended_kind(&target.kind);
        let resource = kind.map(|(resource, _)| resource.plural);
        needed.extend(resource.into_iter().flat_map(|resource| {
            ["list", "watch"].map(|verb| need(verb, &target.group, &resource))
        }));
    }
    for each in needed {
        if !allowed(&reviews, &account, &each).await? {
            found.push(right(&account, &each));
        }
    }
    Ok(())
}

/// What fusegate needs whatever the contracts say.
fn own() -> Vec<Right> {
    const OURS: &str = "fusegate.io";
    let read = ["conditioncontracts", "circuitpolicies", "circuitoverrides"];
    let mut needed = Vec::new();
    for resource in read {
        needed.extend(["list", "watch"].map(|verb| need(verb, OURS, resource)));
        needed.push(need("patch", OURS, &format!("{resource}/status")));
    }
    let crds = "customresourcedefinitions";
    needed.extend(["list", "watch"].map(|verb| need(verb, "apiextensions.k8s.io", crds)));
    needed.push(need("create", "events.k8s.io", "events"));
    needed
}

fn need(verb: &'static str, group: &str, resource: &str) -> Right {
    Right {
        verb,
        group: group.to_owned(),
        resource: resource.to_owned(),
    }
}

async fn allowed(
    reviews: &Api<SubjectAccessReview>,
    account: &str,
    right: &Right,
) -> Result<bool, Error> {
    let (resource, subresource) = match right.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource)),
        None => (right.resource.as_str(), None),
    };
    let attributes = ResourceAttributes {
        verb: Some(right.verb.to_owned()),
        group: Some(right.group.clone()),
        resource: Some(resource.to_owned()),
        subresource: subresource.map(ToOwned::to_owned),
        ..ResourceAttributes::default()
    };
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(account.to_owned()),
            groups: Some(vec![
                "system:serviceaccounts".to_owned(),
                "system:authenticated".to_owned(),
            ]),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}
