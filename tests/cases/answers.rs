//! Answers: what the HTTP port says to mistakes, and that nothing which is written anywhere holds a secret.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use super::{
    files::{CONTRACT, CRD, OBJECT, POLICY, gets, trip},
    place::Folder,
};
use crate::support::http;

const FILES: [(&str, &str); 4] = [
    ("contract.yaml", CONTRACT),
    ("crd.yaml", CRD),
    ("policy.yaml", POLICY),
    ("eu-1.yaml", OBJECT),
];

/// Hooks that ask something; the rest of Flagger's only tell.
const HOOKS: [&str; 6] = [
    "confirm-rollout",
    "pre-rollout",
    "rollout",
    "confirm-traffic-increase",
    "confirm-promotion",
    "rollback",
];

/// Everything there has been listed, so that gates have an answer.
async fn listed() -> Result<Folder> {
    let mut folder = Folder::start(&FILES).await?;
    folder.fusegate.ready().await?;
    gets(&folder, "Closed").await?;
    Ok(folder)
}

#[tokio::test]
async fn an_unknown_metadata_key_is_refused_at_every_hook_by_its_name() -> Result<()> {
    let folder = listed().await?;
    // Another object's circuit is Open, by which nothing may be rolled back.
    folder.put("eu-2.yaml", &OBJECT.replace("eu-1", "eu-2"))?;
    trip(&folder).await?;

    for hook in HOOKS {
        let ask = async |key: &str| {
            let call = json!({
                "name": "web", "namespace": "shop", "phase": "Progressing",
                "metadata": {"policy": "storefronts", key: "eu-2"},
            });
            folder
                .fusegate
                .post(&format!("flagger/v1/{hook}"), &call)
                .await
        };
        let (status, body) = ask("objct").await?;
        ensure!(status == 400, "{hook}: {status} {body}");
        ensure!(
            body.contains("objct") && body.contains("did you mean `object`?"),
            "{hook}: {body}"
        );
        let (status, body) = ask("object").await?;
        // Its own circuit is Closed: a release goes on, and there is nothing to roll back for.
        let expected = if hook == "rollback" { 403 } else { 200 };
        ensure!(status == expected, "{hook}: {status} {body}");
    }
    Ok(())
}

#[rstest]
#[case::a_slash(Method::GET, "readyz/", 200, "ok")]
#[case::a_slash_behind_a_gate(Method::GET, "v1/gate/shop/storefronts/", 200, "pass")]
#[case::a_slash_behind_argos(
    Method::GET,
    "argo/v1/verdict/?namespace=shop&policy=storefronts",
    200,
    "pass"
)]
#[case::a_post_to_argos(
    Method::POST,
    "argo/v1/verdict?namespace=shop&policy=storefronts",
    200,
    "pass"
)]
#[case::a_deletion_of_argos(Method::DELETE, "argo/v1/verdict", 405, "not answered with DELETE")]
#[case::a_get_of_flaggers(Method::GET, "flagger/v1/rollout", 405, "not answered with GET")]
#[case::a_path_misspelled(Method::GET, "argo/v1/verdct", 404, "did you mean")]
#[tokio::test]
async fn every_refusal_says_what_to_do(
    #[case] method: Method,
    #[case] path: &str,
    #[case] expected: u16,
    #[case] words: &str,
) -> Result<()> {
    let folder = listed().await?;

    let client = http::builder().build()?;
    let answer = client.request(method, folder.fusegate.url(path)).send();
    let answer = answer.await?;
    let status = answer.status().as_u16();
    let body = answer.text().await?;
    ensure!(status == expected, "{status} {body}");
    ensure!(body.contains(words), "{body}");
    ensure!(!body.is_empty());
    Ok(())
}

const SECRET: &str = "s3cr3t-w0rd";

/// Every file below a folder, however deep, that holds the secret.
fn holders(folder: &Path, found: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            holders(&path, found)?;
        } else if String::from_utf8_lossy(&fs::read(&path)?).contains(SECRET) {
            found.push(path.display().to_string());
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_secret_is_in_no_log_metric_status_or_answer() -> Result<()> {
    // Nobody listens there, so that each attempt fails and is told.
    let alertmanager = format!("--alertmanager=http://fusegate:{SECRET}@127.0.0.1:9");
    let alerting = POLICY.to_owned() + "  alert: {severity: critical}\n";
    let files = FILES.map(|(name, text)| match name {
        "policy.yaml" => (name, &*alerting),
        _ => (name, text),
    });
    let folder = Folder::start_with(&files, &[alertmanager]).await?;
    gets(&folder, "Closed").await?;
    trip(&folder).await?;
    let retried = "fusegate_effects_total{kind=\"Alert\",result=\"Retried\"}";
    crate::support::wait::eventually("the alert to be retried", super::files::SOON, async || {
        ensure!(folder.fusegate.metric(retried).await? >= 1.0);
        Ok(())
    })
    .await?;

    for path in [
        "metrics",
        "v1/circuits",
        "v1/policies",
        "readyz?verbose",
        "",
    ] {
        let (_, body) = folder.fusegate.get(path).await?;
        ensure!(!body.contains(SECRET), "/{path} has it: {body}");
    }
    let log = folder.fusegate.log()?;
    ensure!(
        log.contains("127.0.0.1:9"),
        "the attempts are not told: {log}"
    );
    ensure!(!log.contains(SECRET), "the log has it: {log}");
    let recording = folder.fusegate.recording().context("a recording")?;
    ensure!(
        !fs::read_to_string(recording)?.contains(SECRET),
        "the recording has it"
    );
    let mut found = Vec::new();
    holders(folder.root(), &mut found)?;
    ensure!(found.is_empty(), "{found:?}");
    Ok(())
}
