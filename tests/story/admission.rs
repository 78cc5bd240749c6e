//! Admission: the API server denies, warns or records, by policy or by webhook, and the contract says when it does.

use anyhow::{Context as _, Result, ensure};
use fusegate_crds::AdmissionMode;
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    cluster::Answer,
    shape::Shape,
    store::Place,
    world::{Opening, Shop, latency},
};

const POLICY: &str = "checkout";
pub(super) const READY: &str = "AdmissionReady";

/// What is illegal trips nothing here.
fn lenient() -> Value {
    json!({"trip": {"illegal": "Unknown"}})
}

/// By whom a contract is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Policy,
    Webhook,
}

/// Asks for admission, and waits until the contract says that it is enforced.
pub(super) async fn ask(shop: &Shop, mode: AdmissionMode, by: By) -> Result<()> {
    let contract = shop.documents.crd_name();
    let admission = json!({"spec": {"admission": {"mode": mode, "by": format!("{by:?}")}}});
    shop.store
        .edit("ConditionContract", &contract, &admission)
        .await?;
    shop.wait(&format!("admission in mode {mode:?}"), async || {
        let status = shop.contract_status().await?;
        let conditions = status["conditions"].as_array().context("no conditions")?;
        let found = conditions.iter().find(|each| each["type"] == READY);
        let does = match mode {
            AdmissionMode::Off => {
                ensure!(found.is_none(), "{status}");
                return Ok(());
            }
            AdmissionMode::Audit => "records",
            AdmissionMode::Warn => "warns",
            AdmissionMode::Deny => "denies",
        };
        let found = found.context("not said")?;
        let message = found["message"].as_str().unwrap_or_default();
        ensure!(
            found["status"] == "True" && found["reason"] == format!("EnforcedBy{by:?}"),
            "{found}"
        );
        ensure!(
            message.starts_with(&format!("the API server {does}")),
            "{message}"
        );
        Ok(())
    })
    .await
}

/// What the API server answers to a status.
pub(super) async fn answer(shop: &Shop, status: &Value) -> Result<Answer> {
    shop.store.access()?.answer_to_status("front", status).await
}

#[rstest]
#[tokio::test]
async fn an_illegal_write_is_denied_warned_of_or_recorded_as_the_mode_says(
    #[values(Shape::Values, Shape::Entries, Shape::List)] shape: Shape,
    #[values(By::Policy, By::Webhook)] by: By,
) -> Result<()> {
    let opening = Opening::at(Place::Cluster)
        .shape(shape)
        .policy(POLICY, lenient());
    let shop = opening.object("front").open().await?;
    let illegal = |rate: f64| {
        shape.status(&[
            ("network-latency", json!("100ms")),
            ("error-rate", json!(rate)),
        ])
    };
    let says = |text: &str, rate: f64| match by {
        By::Policy => text.contains("key \"error-rate\" must be a number from 0 to 1"),
        By::Webhook => text.contains(&format!(
            "key \"error-rate\" is {rate}, above the maximum of 1"
        )),
    };

    ask(&shop, AdmissionMode::Audit, by).await?;
    let recorded = answer(&shop, &illegal(1.5)).await?;
    assert_eq!(
        (recorded.code, &recorded.warnings[..]),
        (200, &[] as &[String])
    );

    ask(&shop, AdmissionMode::Warn, by).await?;
    let warned = answer(&shop, &illegal(1.6)).await?;
    ensure!(
        warned.code == 200 && warned.warnings.iter().any(|warning| says(warning, 1.6)),
        "{warned:?}"
    );

    ask(&shop, AdmissionMode::Deny, by).await?;
    let denied = answer(&shop, &illegal(1.7)).await?;
    ensure!(
        denied.code == 422 && says(&denied.message, 1.7),
        "{denied:?}"
    );
    let unchanged = answer(&shop, &illegal(1.6)).await?;
    assert_eq!(
        unchanged.code, 200,
        "what was there before stays writable: {unchanged:?}"
    );
    shop.report(
        "front",
        &[
            ("network-latency", json!("110ms")),
            ("error-rate", json!(0.5)),
        ],
    )
    .await?;
    shop.wait_published("front", "110").await?;

    ask(&shop, AdmissionMode::Off, by).await?;
    let name = format!("fusegate-{}", shop.documents.crd_name());
    // The API server forgets it a little after it is gone.
    shop.wait("admission to be gone", async || {
        let found = shop.store.access()?.admission_policy(&name).await?;
        ensure!(found.is_none(), "{found:?}");
        let answer = answer(&shop, &illegal(1.8)).await?;
        ensure!(answer.code == 200, "{answer:?}");
        Ok(())
    })
    .await
}

#[rstest]
#[tokio::test]
async fn the_rights_of_the_manifests_are_enough(
    #[values(By::Policy, By::Webhook)] by: By,
) -> Result<()> {
    let opening = Opening::at(Place::Granted).policy(POLICY, json!({}));
    let shop = opening.object("front").open().await?;
    ask(&shop, AdmissionMode::Deny, by).await?;
    let denied = answer(&shop, &json!({"conditions": {"network-latency": "61s"}})).await?;
    ensure!(denied.code == 422, "{denied:?}");
    ask(&shop, AdmissionMode::Off, by).await
}

/// One of every type, as the condition model's own tests have them.
fn every_type() -> Value {
    json!([
        {"key": "duration", "type": "Duration", "minimum": "0s", "maximum": "60s"},
        {"key": "number", "type": "Number", "minimum": 0, "maximum": 1},
        {"key": "free", "type": "Number"},
        {"key": "integer", "type": "Integer", "minimum": -3, "maximum": 100},
        {"key": "quantity", "type": "Quantity", "minimum": "1Ki", "maximum": "2Gi"},
        {"key": "percent", "type": "Percent"},
        {"key": "boolean", "type": "Boolean"},
        {"key": "string", "type": "String"},
        {"key": "enum", "type": "Enum", "values": ["gold", "it's é"]},
        {"key": "age", "type": "Age"},
        {"key": "presence", "type": "Presence"},
        {"key": "phase", "type": "Enum", "values": ["Up"], "from": {"path": ".status.sync.phase"}},
        {"key": "health.*", "type": "Integer", "maximum": 5, "from": {"path": ".status.health.*.failures"}},
    ])
}

fn legal() -> Vec<Value> {
    let values = [
        ("duration", json!("250ms")),
        ("duration", json!("1m")),
        ("duration", json!("0h1m0s")),
        ("duration", json!(0)),
        ("duration", json!("PT1M")),
        ("duration", json!("59.999999999s")),
        ("duration", json!("1us")),
        ("duration", json!("1\u{b5}s")),
        ("duration", json!("0")),
        ("duration", json!("0w")),
        ("number", json!(0)),
        ("number", json!(0.5)),
        ("number", json!("1e0")),
        ("number", json!(".5")),
        ("number", json!("0.99999999999999999999999")),
        ("free", json!("1e400")),
        ("free", json!("-Infinity")),
        ("free", json!(12_345_678_901_234_567_890_u64)),
        ("integer", json!(-3)),
        ("integer", json!("42")),
        ("integer", json!("+5.0")),
        ("integer", json!(5.0)),
        ("quantity", json!("500Mi")),
        ("quantity", json!(1024)),
        ("quantity", json!("2G")),
        ("quantity", json!("1.5e9")),
        ("percent", json!("12.5%")),
        ("percent", json!(100)),
        ("boolean", json!(true)),
        ("boolean", json!("FALSE")),
        ("string", json!("")),
        ("string", json!("a\nb \u{1f600}")),
        ("enum", json!("it's é")),
        ("age", json!("2026-11-22T14:05:28.123Z")),
        ("age", json!("2026-11-22 14:05:28.5 +0000 UTC m=+0.01")),
        ("age", json!("")),
        ("presence", json!({"a": [[[1]]]})),
        ("presence", json!(null)),
        ("enum", json!("Unknown")),
        ("duration", json!("Unknown")),
        ("number", json!({"value": 0.5, "observedAt": "x"})),
        ("boolean", json!({"value": null, "status": "True"})),
    ];
    let maps = values
        .into_iter()
        .map(|(key, value)| json!({"conditions": {key: value}}));
    let others = [
        json!({}),
        json!({"conditions": {}}),
        json!({"conditions": []}),
        json!({"conditions": null}),
        json!({"sync": 5, "health": "x"}),
        json!({"sync": {"phase": "Up"}, "health": {"a": {"failures": 1}, "b": 5}}),
        json!({"conditions": [{"type": "boolean", "status": "no"}, {"type": "boolean", "status": "True"}, {"type": "Stranger", "status": 7}, 5]}),
        json!({"conditions": (0..300).map(|index| json!({"type": format!("Stranger{index}")})).collect::<Vec<_>>()}),
    ];
    maps.chain(others).collect()
}

fn illegal() -> Vec<Value> {
    let values = [
        ("duration", json!("61s")),
        ("duration", json!("1m1s")),
        ("duration", json!("2d")),
        ("duration", json!(5)),
        ("duration", json!("250")),
        ("duration", json!("-1ms")),
        ("number", json!(1.5)),
        ("number", json!("1.5")),
        ("number", json!("NaN")),
        ("number", json!("+Inf")),
        ("number", json!(null)),
        ("number", json!([1])),
        ("number", json!({"reason": "x"})),
        ("free", json!("fast")),
        ("free", json!(true)),
        ("integer", json!(2.5)),
        ("integer", json!("2.5")),
        ("integer", json!(101)),
        ("integer", json!(1e19)),
        ("quantity", json!("3Gi")),
        ("quantity", json!("500mb")),
        ("quantity", json!("1023")),
        ("percent", json!("101%")),
        ("percent", json!(-0.5)),
        ("boolean", json!("yes")),
        ("boolean", json!(1)),
        ("string", json!(5)),
        ("string", json!("x".repeat(1_100))),
        ("enum", json!("silver")),
        ("age", json!("yesterday")),
        ("stranger", json!(1)),
        ("a b", json!(1)),
    ];
    let maps = values
        .into_iter()
        .map(|(key, value)| json!({"conditions": {key: value}}));
    let others = [
        json!({"conditions": "junk"}),
        json!({"sync": {"phase": "Down"}}),
        json!({"health": {"a": {"failures": 6}}}),
        json!({"health": [{"failures": "x"}]}),
        json!({"conditions": [{"type": "boolean", "status": "no"}]}),
        json!({"conditions": (0..20).map(|index| (format!("key-{index}"), json!(1))).collect::<serde_json::Map<_, _>>()}),
    ];
    maps.chain(others).collect()
}

#[rstest]
#[tokio::test]
async fn the_api_server_reads_every_type_as_the_condition_model_does(
    #[values(By::Policy, By::Webhook)] by: By,
) -> Result<()> {
    let opening = Opening::at(Place::Cluster).policy(POLICY, lenient());
    let shop = opening.object("front").open().await?;
    let contract = shop.documents.crd_name();
    let mut conditions = every_type();
    let kept = json!({"key": "network-latency", "type": "Duration"});
    conditions.as_array_mut().context("no list")?.push(kept);
    let spec = json!({"spec": {"conditions": conditions}});
    shop.store
        .edit("ConditionContract", &contract, &spec)
        .await?;
    ask(&shop, AdmissionMode::Deny, by).await?;
    shop.report("front", &latency("101ms")).await?;
    for status in legal() {
        let answer = answer(&shop, &status).await?;
        ensure!(
            answer.code == 200,
            "legal, and denied: {status}: {answer:?}"
        );
    }
    for status in illegal() {
        let answer = answer(&shop, &status).await?;
        ensure!(
            answer.code == 422,
            "illegal, and let through: {status}: {answer:?}"
        );
        let named = match by {
            By::Policy => format!("fusegate-{contract}"),
            By::Webhook => format!("{contract}.admission.fusegate.io"),
        };
        ensure!(answer.message.contains(&named), "{answer:?}");
    }
    Ok(())
}
