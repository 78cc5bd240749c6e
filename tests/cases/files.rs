//! Files: how documents stand in a directory, and what a status says of them.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, ensure};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{case::condition, place::Folder};
use crate::support::{fusegate::program, wait::eventually};

pub(super) const SOON: Duration = Duration::from_mins(1);

pub(super) const CONTRACT: &str = include_str!("storefront/contract.yaml");
pub(super) const POLICY: &str = include_str!("storefront/policy.yaml");
pub(super) const OBJECT: &str = include_str!("storefront/eu-1.yaml");
pub(super) const CRD: &str = include_str!("storefront/crd.yaml");

/// A document of somebody else's, which is no concern of ours and whose name no file system likes.
const FOREIGN: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: \"storefront:viewer\"}
rules: []
";

/// Waits until the object's circuit is in this state, and returns it.
pub(super) async fn gets(folder: &Folder, state: &str) -> Result<Value> {
    let what = format!("eu-1 to be {state}");
    let waited = eventually(&what, SOON, async || {
        let path = "v1/circuits?namespace=shop&policy=storefronts";
        let page = folder.fusegate.get_json(path).await?;
        let circuit = page["items"][0].clone();
        ensure!(
            circuit["object"] == "eu-1" && circuit["state"] == state,
            "{page}"
        );
        Ok(circuit)
    });
    waited.await.with_context(|| folder.fusegate.log_tail())
}

/// The object with another latency.
fn at(latency: &str) -> String {
    OBJECT.replace("120ms", latency)
}

/// Trips the circuit, and returns the trip's id.
pub(super) async fn trip(folder: &Folder) -> Result<String> {
    folder.put("eu-1.yaml", &at("900ms"))?;
    let circuit = gets(folder, "Open").await?;
    Ok(circuit["tripId"].as_str().context("no trip")?.to_owned())
}

#[tokio::test]
async fn a_foreign_document_in_the_same_file_passes_unread() -> Result<()> {
    let all = [CONTRACT, CRD, POLICY, OBJECT, FOREIGN].join("---\n");
    let folder = Folder::start(&[("all.yaml", &all)]).await?;
    gets(&folder, "Closed").await?;

    folder.put("all.yaml", &all.replace("120ms", "900ms"))?;
    gets(&folder, "Open").await?;
    let audit = fs::read_to_string(&folder.audit)?;
    ensure!(!audit.contains("\"operation\":\"Read\""), "{audit}");
    Ok(())
}

#[tokio::test]
async fn files_without_a_last_line_break_are_read_like_any_other() -> Result<()> {
    let files = [
        ("contract.yaml", CONTRACT),
        ("crd.YAML", CRD),
        ("policy.Yml", POLICY),
        ("eu-1.yaml", OBJECT),
        ("half.yaml", "apiVersion: v1\nkind: [Store"),
    ];
    let trimmed = files.map(|(name, text)| (name, text.trim_end()));
    let folder = Folder::start(&trimmed).await?;
    gets(&folder, "Closed").await?;

    // Written where it stands, and not renamed into place.
    fs::write(folder.watched.join("eu-1.yaml"), at("900ms").trim_end())?;
    gets(&folder, "Open").await?;
    let (status, ready) = folder.fusegate.get("readyz?verbose").await?;
    ensure!(status == 200 && ready.contains("half.yaml"), "{ready}");
    let mut check = Command::new(program()?);
    let checked = check.arg("check").arg(&folder.watched).output().await?;
    let told = String::from_utf8_lossy(&checked.stdout);
    ensure!(
        told.contains("half.yaml") && told.contains("4 documents, 1 problem"),
        "{told}"
    );
    Ok(())
}

/// The CRD beside the contract in each form that is read, at this maximum of replicas.
fn forms(maximum: u32) -> Result<[(&'static str, String); 4]> {
    let mut crd: Value = serde_saphyr::from_str(include_str!("storefront/crd-webhook.yaml"))?;
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["replicas"]
        ["maximum"] = json!(maximum);
    let contract: Value = serde_saphyr::from_str(
        &CONTRACT.replace("mode: \"Off\"", "mode: Auto, changedWithin: 24h"),
    )?;
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [contract, crd]});
    let typed = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinitionList", "items": [crd],
    });
    Ok([
        ("crd.json", serde_json::to_string_pretty(&crd)?),
        ("all.json", serde_json::to_string_pretty(&list)?),
        ("crds.json", typed.to_string()),
        ("all.jsonl", format!("{contract}\n{crd}\n")),
    ])
}

#[rstest]
#[case::json(0)]
#[case::a_list(1)]
#[case::a_typed_list(2)]
#[case::json_lines(3)]
#[tokio::test]
async fn a_rollback_leaves_a_file_in_its_form(#[case] form: usize) -> Result<()> {
    let (file, before) = forms(50)?[form].clone();
    let auto = CONTRACT.replace("mode: \"Off\"", "mode: Auto, changedWithin: 24h");
    let mut files = vec![
        (file, &*before),
        ("policy.yaml", POLICY),
        ("eu-1.yaml", OBJECT),
    ];
    if !file.starts_with("all") {
        files.push(("contract.yaml", &auto));
    }
    let folder = Folder::start(&files).await?;
    wait_revisions(&folder, 1).await?;
    folder.put(file, &forms(40)?[form].1)?;
    wait_revisions(&folder, 2).await?;
    trip(&folder).await?;

    let waited = eventually("the file to be as before", SOON, async || {
        let text = fs::read_to_string(folder.watched.join(file))?;
        let documents = |text: &str| -> Result<Vec<Value>> {
            let parsed = serde_json::Deserializer::from_str(text).into_iter();
            Ok(parsed.collect::<Result<_, _>>()?)
        };
        ensure!(documents(&text)? == documents(&before)?, "{text}");
        Ok(())
    });
    waited.await.with_context(|| folder.fusegate.log_tail())
}

#[tokio::test]
async fn a_ca_bundle_that_is_injected_is_no_change_and_stays() -> Result<()> {
    let first = include_str!("storefront/crd-webhook.yaml");
    let bundle = "        caBundle: Q0EtQQ==\n";
    let without = first.replace(bundle, "");
    let tight = without.replace("maximum: 50", "maximum: 40");
    let injected = first.replace("maximum: 50", "maximum: 40");
    let folder = Folder::start(&[
        (
            "contract.yaml",
            &CONTRACT.replace("mode: \"Off\"", "mode: Auto, changedWithin: 24h"),
        ),
        ("crd.yaml", first),
        ("policy.yaml", POLICY),
        ("eu-1.yaml", OBJECT),
    ])
    .await?;
    wait_revisions(&folder, 1).await?;

    // Upgraded, then injected into again: one new schema, not two.
    folder.put("crd.yaml", &tight)?;
    wait_revisions(&folder, 2).await?;
    folder.put("crd.yaml", &injected)?;
    let trip = trip(&folder).await?;

    eventually("the schema to be the one before", SOON, async || {
        let crd = fs::read_to_string(folder.watched.join("crd.yaml"))?;
        ensure!(crd.contains("maximum: 50"), "{crd}");
        ensure!(crd.contains("caBundle: Q0EtQQ=="), "{crd}");
        Ok(())
    })
    .await
    .with_context(|| folder.fusegate.log_tail())?;
    let marked = eventually("the new schema to be marked bad", SOON, async || {
        let status = folder.status("ConditionContract", "", CONTRACT_NAME)?;
        let bad = &status["revisions"][1];
        ensure!(
            bad["bad"] == true && bad["reason"].to_string().contains(&trip),
            "{status}"
        );
        Ok(())
    });
    marked.await.with_context(|| folder.fusegate.log_tail())?;
    wait_revisions(&folder, 2).await
}

const CONTRACT_NAME: &str = "storefronts.shop.example.com";

/// Waits until the contract's status lists so many schemas.
async fn wait_revisions(folder: &Folder, count: usize) -> Result<()> {
    let what = format!("{count} revisions");
    let waited = eventually(&what, SOON, async || {
        let status = folder.status("ConditionContract", "", CONTRACT_NAME)?;
        let revisions = status["revisions"].as_array().map_or(0, Vec::len);
        ensure!(revisions == count, "{status}");
        Ok(())
    });
    waited.await.with_context(|| folder.fusegate.log_tail())
}

/// Waits until the policy's condition Open says this, for at most as long as a status may be behind.
async fn says(folder: &Folder, words: &str, total: u64) -> Result<()> {
    let within = Duration::from_secs(10);
    let waited = eventually(words, within, async || {
        let status = folder.status("CircuitPolicy", "shop", "storefronts")?;
        let [_, _, message] = condition(&status, "Open")?;
        ensure!(
            message.contains(words) && status["total"] == total,
            "{status}"
        );
        Ok(())
    });
    waited.await.with_context(|| folder.fusegate.log_tail())
}

#[tokio::test]
async fn a_status_says_how_many_circuits_there_are() -> Result<()> {
    let folder = Folder::start(&[
        ("contract.yaml", CONTRACT),
        ("crd.yaml", CRD),
        ("policy.yaml", POLICY),
    ])
    .await?;
    says(&folder, "no object", 0).await?;

    folder.put("eu-1.yaml", OBJECT)?;
    says(&folder, "all of 1 circuits are Closed", 1).await?;
    folder.put("eu-2.yaml", &OBJECT.replace("eu-1", "eu-2"))?;
    says(&folder, "all of 2 circuits are Closed", 2).await?;
    fs::remove_file(folder.watched.join("eu-1.yaml"))?;
    says(&folder, "all of 1 circuits are Closed", 1).await?;
    folder.put(
        "eu-2.yaml",
        &OBJECT.replace("eu-1, ", "eu-2, labels: {tier: gold}, "),
    )?;
    folder.put(
        "policy.yaml",
        &POLICY.replace("selector: {}", "selector: {matchLabels: {tier: silver}}"),
    )?;
    says(&folder, "no object", 0).await
}

#[tokio::test]
async fn a_cluster_scoped_object_is_judged_in_fusegates_own_namespace() -> Result<()> {
    let all = include_str!("12-cluster-scoped/all.yaml");
    let folder = Folder::start(&[("all.yaml", all)]).await?;
    let gets = async |state: &str| {
        let what = format!("rack-7 to be {state}");
        let waited = eventually(&what, SOON, async || {
            let path = "v1/circuits?namespace=default&policy=nodes";
            let page = folder.fusegate.get_json(path).await?;
            let circuit = &page["items"][0];
            ensure!(
                circuit["object"] == "rack-7" && circuit["state"] == state,
                "{page}"
            );
            Ok(())
        });
        waited.await.with_context(|| folder.fusegate.log_tail())
    };
    gets("Open").await?;
    let status = folder.status("CircuitPolicy", "default", "nodes")?;
    let [accepted, ..] = condition(&status, "Accepted")?;
    ensure!(accepted == "True", "{status}");
    let (status, body) = folder.fusegate.get("v1/gate/default/nodes").await?;
    ensure!(status == 403, "{status} {body}");

    let healthy = all.replace(
        "status: \"False\", reason: Fan",
        "status: \"True\", reason: Fan",
    );
    folder.put("all.yaml", &healthy)?;
    gets("Closed").await
}
