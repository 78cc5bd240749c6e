//! `fusegate doctor --cluster` on a real installation: nothing is wrong at first, and then one thing after the other.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{
    store::{Place, Store},
    world::{GOOD, Opening, Shop},
};
use crate::support::{fusegate, scratch::Scratch};

/// What is found of it: the story's CRD is linted, and the lint finds something.
const AT_FIRST: [&str; 1] = ["SchemaUnguarded"];

/// Asks the doctor, and gives the codes of all that counts.
async fn asks(shop: &Shop) -> Result<(BTreeSet<String>, Value)> {
    let Store::Cluster(host, _) = &shop.store else {
        anyhow::bail!("this story is about a cluster");
    };
    let output = Command::new(fusegate::program()?)
        .args(["doctor", "--cluster", "--over=1s", "--output=json"])
        .arg(format!("--server={}", shop.store.fusegate().url("")))
        .arg(format!(
            "--kubeconfig={}",
            host.server.kubeconfig_path().display()
        ))
        .output()
        .await?;
    let found: Value = serde_json::from_slice(&output.stdout)?;
    let items = found["items"].as_array().into_iter().flatten();
    let codes: BTreeSet<String> = items
        .filter(|item| item["severity"] != "Note")
        .map(|item| item["code"].as_str().unwrap_or_default().to_owned())
        .collect();
    let code = i32::from(!codes.is_empty());
    ensure!(output.status.code() == Some(code), "{output:?}");
    Ok((codes, found))
}

/// Waits until exactly these are found, besides what was at first.
async fn finds(shop: &Shop, expected: &[&str]) -> Result<Value> {
    let expected = AT_FIRST.iter().chain(expected);
    let expected: BTreeSet<String> = expected.map(|code| (*code).to_owned()).collect();
    shop.wait("the doctor to find it", async || {
        let (codes, found) = asks(shop).await?;
        ensure!(codes == expected, "wanted {expected:?}: {found:#}");
        Ok(found)
    })
    .await
}

/// Has a reporter write a key that nobody declared, again and again without a pause, until the doctor names both.
async fn loops(shop: &Shop) -> Result<()> {
    let writing = async {
        for round in 0.. {
            let value = json!(round);
            shop.write("eu-1", &[("bogus", value)]).await?;
        }
        Ok(())
    };
    // On a quick machine so many updates are rejected that this is found as well.
    let found = shop.wait("the doctor to name both", async || {
        let (codes, found) = asks(shop).await?;
        let named = ["KeyRefused", "ObjectWrittenOften"];
        ensure!(named.iter().all(|code| codes.contains(*code)), "{found:#}");
        Ok(found)
    });
    let found = tokio::select! {
        found = found => found?.to_string(),
        stopped = writing => return stopped,
    };
    ensure!(
        found.contains("key \\\"bogus\\\" breaks its contract"),
        "{found}"
    );
    ensure!(found.contains("/eu-1 is written "), "{found}");
    shop.write("eu-1", &[("network-latency", json!(GOOD))])
        .await
}

/// Keeps back what fusegate asks the API server, so that its watches stand and are confirmed no more.
async fn falls_silent(shop: &mut Shop) -> Result<()> {
    let wire = shop.store.own()?.wire.as_ref();
    wire.context("no wire")?.hold_requests(true);
    shop.wait("the doctor to say for how long", async || {
        let (_, found) = asks(shop).await?;
        let items = found["items"].as_array().into_iter().flatten();
        let told = items.filter_map(|item| item["message"].as_str());
        let mut ages = told.filter_map(|told| {
            told.strip_prefix("1 feeds of Policies are not confirmed live, one for ")?
                .strip_suffix(" s")?
                .parse::<u64>()
                .ok()
        });
        ensure!(ages.next().is_some_and(|age| age > 5), "{found:#}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn saved_metrics_are_read_where_the_environment_names_a_replica() -> Result<()> {
    let saved = Scratch::new("metrics")?;
    let text = "fusegate_build_info{version=\"0.1.0\"} 1\n";
    let file = saved.write("metrics.txt", text)?;
    let output = Command::new(fusegate::program()?)
        .arg("doctor")
        .arg(format!("--metrics={}", file.display()))
        .env("FUSEGATE_SERVER", "http://127.0.0.1:1")
        .output()
        .await?;
    ensure!(output.status.success(), "{output:?}");
    Ok(())
}

#[tokio::test]
async fn a_doctor_finds_what_is_wrong_in_a_cluster() -> Result<()> {
    let mut shop = Opening::at(Place::Granted)
        .policy("checkout", json!({}))
        .object("eu-1")
        .open()
        .await?;
    finds(&shop, &[]).await?;
    loops(&shop).await?;
    finds(&shop, &[]).await?;
    let client = shop.store.own()?.server.client().await?;
    let crds: Api<CustomResourceDefinition> = Api::all(client);
    let name = "circuitoverrides.fusegate.io";
    let described = json!([{
        "op": "add", "path": "/spec/versions/0/schema/openAPIV3Schema/description", "value": "somebody else's",
    }]);
    let patch: Patch<()> = Patch::Json(serde_json::from_value(described)?);
    crds.patch(name, &PatchParams::default(), &patch).await?;
    finds(&shop, &["CrdDiffers"]).await?;

    let contract = json!({
        "apiVersion": "fusegate.io/v1alpha1", "kind": "ConditionContract",
        "metadata": {"name": "deployments.apps"},
        "spec": {
            "target": {"group": "apps", "kind": "Deployment"},
            "conditions": [{"key": "Available", "type": "Boolean"}],
            "rollback": {"mode": "Off"},
        },
    });
    shop.store.create(&contract).await?;
    let denied = [
        "CrdDiffers",
        "FeedUnconfirmed",
        "NotAccepted",
        "RightMissing",
    ];
    let found = finds(&shop, &denied).await?;
    let rule = r#"{apiGroups: ["apps"], resources: ["deployments"], verbs: ["watch"]}"#;
    ensure!(
        found.to_string().contains(&rule.replace('"', "\\\"")),
        "{found:#}"
    );

    falls_silent(&mut shop).await?;
    shop.store.own_fusegate()?.kill9()?;
    let gone = [
        "CrdDiffers",
        "LeaseNotHeld",
        "NotAccepted",
        "RightMissing",
        "Unreachable",
    ];
    finds(&shop, &gone).await?;
    Ok(())
}
