//! The whole program and a real Alertmanager, in both directions: what it posts forces circuits Open, and what one outage explains is told once.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::support::{
    fusegate::{Fusegate, FusegateConfig},
    scratch::Scratch,
    servers::{
        alertmanager::{Alertmanager, AlertmanagerConfig},
        browser::Browser,
    },
    wait::eventually,
};

const SOON: Duration = Duration::from_mins(1);

const TOKEN: &str = "a-token-of-the-test-0123456789";

fn example(name: &str) -> Result<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(name);
    Ok(serde_saphyr::from_str(&fs::read_to_string(path)?)?)
}

/// The examples' kind with its contract, and a folder of tokens.
fn shop() -> Result<Scratch> {
    let folder = Scratch::new("alertmanager-shop")?;
    for name in ["crd", "contract"] {
        folder.write(
            &format!("{name}.yaml"),
            example(&format!("examples/{name}.yaml"))?.to_string(),
        )?;
    }
    Ok(folder)
}

/// A policy of the objects of a tier that opens at the first bad report, with more of its own.
fn policy(folder: &Scratch, name: &str, tier: &str, more: &Value) -> Result<()> {
    let mut policy = example("examples/policy.yaml")?;
    policy["metadata"]["name"] = json!(name);
    let spec = policy["spec"].as_object_mut().context("no spec")?;
    spec["selector"] = json!({"matchLabels": {"tier": tier}});
    spec["trip"]["consecutive"] = json!(1);
    spec.extend(more.as_object().context("no object")?.clone());
    folder.write(&format!("policy-{name}.yaml"), policy.to_string())?;
    Ok(())
}

fn report(folder: &Scratch, name: &str, tier: &str, latency: &str) -> Result<()> {
    let mut object = example("examples/storefront.yaml")?;
    object["metadata"]["name"] = json!(name);
    object["metadata"]["labels"]["tier"] = json!(tier);
    object["status"]["conditions"]["network-latency"] = json!(latency);
    folder.write(&format!("object-{name}.yaml"), object.to_string())?;
    Ok(())
}

async fn fusegate(folder: &Scratch, more: &[String]) -> Result<Fusegate> {
    let audit = folder.path().join("audit.log");
    let args = [
        format!("--source=dir:{}", folder.path().display()),
        format!("--audit={}", audit.display()),
    ];
    Fusegate::start(FusegateConfig::args(args.iter().chain(more).cloned())).await
}

async fn gate(fusegate: &Fusegate, policy: &str, status: u16) -> Result<String> {
    eventually(&format!("{policy} to answer {status}"), SOON, async || {
        let (found, body) = fusegate.get(&format!("v1/gate/shop/{policy}")).await?;
        ensure!(found == status, "{found} {body}");
        Ok(body)
    })
    .await
}

/// An Alertmanager that tells fusegate of everything at once, with the token in a file.
async fn telling(fusegate: &Fusegate, folder: &Scratch) -> Result<Alertmanager> {
    let token = folder.write("alertmanager-token", TOKEN)?;
    let webhook = fusegate.url("v1/alertmanager");
    Alertmanager::start(AlertmanagerConfig::telling(&[webhook], &token)).await
}

fn orders(folder: &Scratch) -> Result<Vec<Value>> {
    let mut orders = Vec::new();
    for entry in fs::read_dir(folder.path())? {
        let entry = entry?;
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with("override-shop-alert-")
        {
            orders.push(serde_saphyr::from_str(&fs::read_to_string(entry.path())?)?);
        }
    }
    Ok(orders)
}

fn now(seconds: i64) -> String {
    let now = fusegate::runtime::clock::Clock::start().now().wall.0;
    fusegate_crds::Time::from_millis(now + seconds * 1_000)
        .map_or_else(String::new, |time| time.to_string())
}

#[tokio::test]
async fn an_alert_that_a_policy_names_forces_its_circuit_open_until_a_time() -> Result<()> {
    let folder = shop()?;
    let open_on = json!({"openOn": [{"alert": "PaymentsDown", "object": "app", "lasts": "30m"}]});
    policy(&folder, "checkout", "gold", &open_on)?;
    report(&folder, "checkout", "gold", "120ms")?;
    report(&folder, "other", "gold", "120ms")?;
    let tokens = Scratch::new("tokens")?;
    tokens.write("alerts", format!("{TOKEN}\n"))?;
    let fusegate = fusegate(
        &folder,
        &[format!("--http-tokens={}", tokens.path().display())],
    )
    .await?;
    gate(&fusegate, "checkout", 200).await?;
    let (status, body) = fusegate.post("v1/alertmanager", &json!({})).await?;
    ensure!(status == 401, "{status} {body}");
    let alertmanager = telling(&fusegate, &tokens).await?;
    let labels = json!({"alertname": "PaymentsDown", "namespace": "shop", "app": "checkout"});
    let began = now(-60);
    alertmanager.raise(&labels, &began, None).await?;
    let refusal = gate(&fusegate, "checkout", 403).await?;
    ensure!(refusal.contains("Open by override ForcedOpen"), "{refusal}");
    let (passes, body) = fusegate.get("v1/gate/shop/checkout?object=other").await?;
    ensure!(passes == 200, "{body}");
    // It is told again each second, and once more as resolved; one order stands all along.
    alertmanager.raise(&labels, &began, Some(&now(-1))).await?;
    eventually("the end to be told", SOON, async || {
        let alerts = alertmanager.alerts().await?;
        let notified = alertmanager.sent("webhook").await?;
        ensure!(
            alerts.is_empty() && notified >= 2.0,
            "{alerts:?} {notified}"
        );
        Ok(())
    })
    .await?;
    gate(&fusegate, "checkout", 403).await?;
    let orders = orders(&folder)?;
    assert_eq!(orders.len(), 1, "{orders:?}");
    let spec = &orders[0]["spec"];
    assert_eq!(spec["state"], "ForcedOpen");
    assert_eq!(
        spec["reason"],
        "alert PaymentsDown fires: payments are down (by alertmanager)"
    );
    let audit = fs::read_to_string(folder.path().join("audit.log"))?;
    let mut lines = audit.lines();
    let told = lines.any(|line| line.contains("(by alertmanager)"));
    ensure!(told, "{audit}");
    Ok(())
}

/// Whether Alertmanager tells anybody of the alert with these labels.
fn state<'a>(alerts: &'a [Value], alertname: &str, name: &str) -> Option<&'a str> {
    let mut found = alerts.iter();
    let found = found
        .find(|alert| alert["labels"]["alertname"] == alertname && alert["labels"]["name"] == name);
    found?["status"]["state"].as_str()
}

/// Whoever looks at the inhibited circuit is led to the policy whose outage explains it.
async fn the_page_names_the_root(fusegate: &Fusegate) -> Result<()> {
    let browser = Browser::start().await?;
    let page = fusegate.url("#/circuits/shop/checkout/checkout");
    browser.open(&page).await?;
    eventually("the root on the page", SOON, async || {
        let text = browser.text().await?;
        for wanted in [
            "Inhibited",
            "Explained by",
            "shop/database, which is not Closed",
        ] {
            ensure!(text.contains(wanted), "no {wanted:?} in {text}");
        }
        Ok(())
    })
    .await?;
    let errors = browser.errors().await?;
    ensure!(errors.is_empty(), "{errors:?}");
    Ok(())
}

#[tokio::test]
async fn what_an_open_parent_explains_is_told_to_nobody() -> Result<()> {
    let folder = shop()?;
    policy(&folder, "database", "silver", &json!({}))?;
    policy(
        &folder,
        "checkout",
        "gold",
        &json!({"dependsOn": [{"name": "database"}]}),
    )?;
    report(&folder, "checkout", "gold", "120ms")?;
    report(&folder, "db", "silver", "120ms")?;
    let config = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/deploy/alertmanager/alertmanager.yaml"
    );
    let alertmanager = Alertmanager::start(AlertmanagerConfig {
        file: Some(fs::read_to_string(config)?),
        ..AlertmanagerConfig::default()
    })
    .await?;
    let mut fusegate =
        fusegate(&folder, &[format!("--alertmanager={}", alertmanager.url())]).await?;
    gate(&fusegate, "checkout", 200).await?;
    report(&folder, "checkout", "gold", "900ms")?;
    gate(&fusegate, "checkout", 403).await?;
    let stands = async |open: &str, inhibited: Option<&str>| {
        eventually(
            &format!("the child's alert to be {open}"),
            SOON,
            async || {
                let alerts = alertmanager.alerts().await?;
                let found = (
                    state(&alerts, "CircuitBreakerOpen", "checkout"),
                    state(&alerts, "CircuitBreakerInhibited", "checkout"),
                );
                ensure!(found == (Some(open), inhibited), "{alerts:#?}");
                Ok(alerts)
            },
        )
        .await
    };
    stands("active", None).await?;
    report(&folder, "db", "silver", "900ms")?;
    let alerts = stands("suppressed", Some("suppressed")).await?;
    assert_eq!(state(&alerts, "CircuitBreakerOpen", "db"), Some("active"));
    the_page_names_the_root(&fusegate).await?;
    gate(&fusegate, "checkout", 403).await?;
    fusegate.kill9()?;
    fusegate.restart().await?;
    stands("suppressed", Some("suppressed")).await?;
    ensure!(alertmanager.received("resolved").await? < 1.0);
    // A person lets the parent's traffic pass: now the child is told of.
    let until = now(600);
    let order = json!({
        "apiVersion": "fusegate.io/v1alpha1", "kind": "CircuitOverride",
        "metadata": {"name": "by-hand", "namespace": "shop"},
        "spec": {"policy": "database", "state": "ForcedClosed", "until": until, "reason": "test"},
    });
    folder.write("order.yaml", order.to_string())?;
    stands("active", None).await?;
    Ok(())
}
