//! The chart with several shards: each has a Deployment and Services of its own, and what is of all of them is there once.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::helm::{of_kind, rendered};

const THREE: &str = "{shards: 3, xds: {certificates: {from: CertManager}}}";

fn names<'a>(documents: &'a [Value], kind: &str) -> BTreeSet<&'a str> {
    let of = of_kind(documents, kind).into_iter();
    of.filter_map(|document| document["metadata"]["name"].as_str())
        .collect()
}

/// The labels of a shard's pods.
fn labels(deployment: &Value) -> &Value {
    &deployment["spec"]["template"]["metadata"]["labels"]
}

/// The Deployments whose pods a selector selects.
fn selected<'a>(documents: &'a [Value], selector: &Value) -> Result<Vec<&'a str>> {
    let wanted = selector.as_object().context("no selector")?;
    let deployments = of_kind(documents, "Deployment").into_iter();
    let found = deployments.filter(|deployment| {
        let labels = labels(deployment);
        wanted.iter().all(|(key, value)| labels[key] == *value)
    });
    Ok(found
        .filter_map(|deployment| deployment["metadata"]["name"].as_str())
        .collect())
}

#[test]
fn each_shard_is_started_as_one_and_selects_its_own_pods() -> Result<()> {
    let documents = rendered(THREE)?;
    let deployments = of_kind(&documents, "Deployment");
    ensure!(deployments.len() == 3);
    for (number, deployment) in (1..).zip(deployments) {
        let name = format!("fusegate-{number}");
        ensure!(deployment["metadata"]["name"] == name.as_str());
        let args = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
        let shard = json!(format!("--shard={number}/3"));
        ensure!(
            args.as_array().is_some_and(|args| args.contains(&shard)),
            "{args}"
        );
        let own = &deployment["spec"]["selector"]["matchLabels"];
        ensure!(selected(&documents, own)? == [name.as_str()], "{own}");
    }
    Ok(())
}

#[test]
fn services_and_budgets_are_of_a_shard_and_the_webhook_of_the_first() -> Result<()> {
    let documents = rendered(THREE)?;
    for service in of_kind(&documents, "Service") {
        let name = service["metadata"]["name"].as_str().unwrap_or_default();
        let number = name.rsplit('-').next().and_then(|end| end.parse().ok());
        let of = format!("fusegate-{}", number.unwrap_or(1));
        let found = selected(&documents, &service["spec"]["selector"])?;
        ensure!(found == [of.as_str()], "{name}: {found:?}");
    }
    let each = |prefix: &str| {
        (1..=3)
            .map(|number| format!("{prefix}{number}"))
            .collect::<Vec<_>>()
    };
    let services = [
        each("fusegate-"),
        each("fusegate-xds-"),
        vec!["fusegate-webhook".to_owned()],
    ];
    let services = services.concat();
    let expected: BTreeSet<&str> = services.iter().map(String::as_str).collect();
    ensure!(names(&documents, "Service") == expected);
    for budget in of_kind(&documents, "PodDisruptionBudget") {
        let found = selected(&documents, &budget["spec"]["selector"]["matchLabels"])?;
        ensure!(
            found == [budget["metadata"]["name"].as_str().unwrap_or_default()],
            "{found:?}"
        );
    }
    let policy = of_kind(&documents, "NetworkPolicy")[0];
    ensure!(selected(&documents, &policy["spec"]["podSelector"]["matchLabels"])?.len() == 3);
    let certificates = of_kind(&documents, "Certificate").into_iter();
    let mut own = certificates.filter(|it| it["metadata"]["name"] == "fusegate-xds");
    let certified = own.next().context("no certificate")?["spec"]["dnsNames"].clone();
    let named = (1..=3).map(|number| format!("fusegate-xds-{number}.fusegate-system.svc"));
    ensure!(certified == json!(named.collect::<Vec<_>>()), "{certified}");
    Ok(())
}

#[test]
fn shards_may_write_each_lease_and_one_fusegate_its_own_alone() -> Result<()> {
    for (values, names) in [("{}", json!(["fusegate"])), (THREE, Value::Null)] {
        let documents = rendered(values)?;
        let role = of_kind(&documents, "Role")[0];
        let rules = role["rules"].as_array().context("no rules")?.iter();
        let mut leases = rules.filter(|rule| rule["resources"] == json!(["leases"]));
        let (all, own) = (leases.next(), leases.next());
        ensure!(all.context("no rule")?["verbs"] == json!(["create", "list"]));
        let own = own.context("no rule")?;
        ensure!(
            own["verbs"] == json!(["get", "update"]) && own["resourceNames"] == names,
            "{own}"
        );
    }
    Ok(())
}
