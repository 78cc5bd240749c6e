//! Hooks: what Flagger makes of a mistake in a canary, and of a hook that counts.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{
    canaries::{Strategy, failed, failed_checks, goes_on, phase, succeeded},
    doubt::Doubt,
    manifests,
    shop::Shop,
};
use crate::support::wait::eventually;

/// A canary's name, what its hooks have in their metadata, what it is told, and whether the policy that it asks is there.
type Mistake = (&'static str, Value, &'static str, bool);

fn mistakes() -> [Mistake; 8] {
    [
        (
            "no-policy",
            json!({"policy": null}),
            "`metadata.policy` is missing",
            false,
        ),
        (
            "policy",
            json!({"policy": "chekcout"}),
            "did you mean \"checkout\"?",
            false,
        ),
        (
            "elsewhere",
            json!({"policy": "default/checkout"}),
            "there is no such policy",
            false,
        ),
        (
            "policy-key",
            json!({"policy": null, "polcy": "checkout"}),
            "did you mean `policy`?",
            false,
        ),
        (
            "object-key",
            json!({"objct": "checkout"}),
            "did you mean `object`?",
            true,
        ),
        (
            "object",
            json!({"object": "chekcout"}),
            "did you mean \"checkout\"?",
            true,
        ),
        (
            "condition",
            json!({"condition": "network-latencies"}),
            "did you mean \"network-latency\"?",
            true,
        ),
        (
            "selector",
            json!({"selector": "tier in (gold)"}),
            "give key=value",
            true,
        ),
    ]
}

#[tokio::test]
async fn each_mistake_holds_its_canary_and_is_told_once_with_what_was_meant() -> Result<()> {
    let shop = Shop::open("peers-mistakes").await?;
    shop.close().await?;
    for (name, metadata, ..) in mistakes() {
        shop.begin_named(name, &json!({})).await?;
        shop.ask_about(name, &metadata).await?;
    }
    shop.wait_begun().await?;
    shop.release_all().await?;
    shop.assert_all_wait().await?;
    for (name, _, meant, known) in mistakes() {
        assert_told_once(&shop, name, meant, known).await?;
    }
    assert_counted(&shop).await?;
    // Mended, it goes on by itself, and the policy says no more of it.
    let mended = json!({"object": null});
    shop.ask_about("object", &mended).await?;
    shop.wait("Canary", "object", "to go on", goes_on).await?;
    eventually(
        "the policy to say no more of it",
        super::world::SOON,
        async || {
            let told = shop.misasked().await?;
            ensure!(
                !told.contains(&format!("{}/object at", shop.namespace)),
                "{told}"
            );
            Ok(())
        },
    )
    .await?;
    shop.end().await
}

async fn assert_told_once(shop: &Shop, name: &str, meant: &str, known: bool) -> Result<()> {
    let event = shop.wait_event("Canary", name, "GateMistake").await?;
    let note = event["note"].as_str().unwrap_or_default();
    ensure!(note.contains(meant), "{note}");
    let events = shop.events("Canary", name, "GateMistake").await?;
    ensure!(events.len() == 1, "{events:?}");
    let caller = format!("Canary {}/{name} at confirm-rollout", shop.namespace);
    let log = shop.world.fusegate.log()?;
    let lines = log.lines().filter(|line| {
        line.contains(&caller) && line.contains("mistake") && !line.contains("GateMistake")
    });
    ensure!(lines.count() == 1, "{caller}");
    if known {
        ensure!(!shop.misasked().await?.is_empty());
    }
    Ok(())
}

async fn assert_counted(shop: &Shop) -> Result<()> {
    let series = format!(
        "fusegate_gate_calls_total{{namespace=\"{}\",policy=\"checkout\",answer=\"mistake\"}}",
        shop.namespace
    );
    let counted = shop.world.fusegate.metric(&series).await?;
    ensure!(counted >= 4.0, "{counted}");
    Ok(())
}

#[tokio::test]
async fn a_mistake_holds_each_strategy_from_the_start() -> Result<()> {
    let shop = Shop::open("peers-mistaken").await?;
    shop.begin_all(1).await?;
    shop.close().await?;
    for strategy in Strategy::ALL {
        shop.ask_about(strategy.name(), &json!({"policy": "chekcout"}))
            .await?;
    }
    shop.release_all().await?;
    shop.assert_all_wait().await?;
    shop.end().await
}

#[tokio::test]
async fn a_mistake_in_the_middle_rolls_nothing_back() -> Result<()> {
    let shop = Shop::open("peers-other").await?;
    let other = json!({"metadata": {"name": "other"}});
    shop.apply("examples/storefront", &other).await?;
    shop.report_of(
        "other",
        &json!({"network-latency": "120ms", "error-rate": 0.01}),
    )
    .await?;
    shop.close().await?;
    shop.begin_named("basket", &json!({"spec": {"analysis": {"iterations": 3}}}))
        .await?;
    shop.ask_about("basket", &json!({"object": "checkout"}))
        .await?;
    shop.wait_begun().await?;
    shop.release_all().await?;
    let started = |canary: &Value| phase(canary) == "Progressing";
    shop.wait_all("Canary", "to start", started).await?;
    shop.ask_about("basket", &json!({"object": null, "objct": "checkout"}))
        .await?;
    shop.break_object("other").await?;
    shop.wait_gate("Open").await?;
    let held = |canary: &Value| phase(canary) == "WaitingPromotion" && failed_checks(canary) == 0;
    shop.wait_all("Canary", "to wait with its promotion", held)
        .await?;
    shop.all_hold("Canary", held).await?;
    shop.ask_about("basket", &json!({"object": "checkout", "objct": null}))
        .await?;
    shop.wait_all("Canary", "to succeed", succeeded).await?;
    shop.end().await
}

impl Shop {
    /// A Blue/Green canary that asks by the page's counting hook alone.
    async fn begin_counting(&self, threshold: u32) -> Result<()> {
        let mut hook = counting_hook(self)?;
        let mut before = hook.clone();
        before["type"] = json!("pre-rollout");
        before["name"] = json!("fusegate counts before");
        let url = before["url"].as_str().unwrap_or_default();
        before["url"] = json!(url.replace("/rollout", "/pre-rollout"));
        // Flagger's own retries would only make this slower: 403 is not retried.
        hook["retries"] = json!(1);
        let analysis =
            json!({"threshold": threshold, "iterations": 20, "webhooks": [before, hook]});
        self.begin_named("basket", &json!({"spec": {"analysis": analysis}}))
            .await
    }
}

/// The counting hook that `docs/gates.md` shows.
pub(super) fn counting_hook(shop: &Shop) -> Result<Value> {
    let hooks = manifests::of_page("name: fusegate counts")?;
    let text = shop.addressed(&hooks[0].to_string());
    serde_json::from_str(&text).context("the hook")
}

#[tokio::test]
async fn a_counting_hook_counts_open_alone_and_its_reason_is_one_stable_line() -> Result<()> {
    let shop = Shop::open_for("peers-count", Doubt::HalfOpen).await?;
    shop.begin_counting(3).await?;
    shop.wait_begun().await?;
    // It waits for nothing: what is not known and what recovers goes on, and counts nothing.
    shop.release_all().await?;
    let moved = |least: u64| {
        move |canary: &Value| {
            canary["status"]["iterations"].as_u64() >= Some(least) && failed_checks(canary) == 0
        }
    };
    shop.wait_all("Canary", "to go on", moved(1)).await?;
    shop.doubt(Doubt::HalfOpen).await?;
    let before = shop.get("Canary", "basket").await?;
    let before = before["status"]["iterations"].as_u64().unwrap_or_default();
    shop.wait_all("Canary", "to go on", moved(before + 2))
        .await?;
    shop.close().await?;
    shop.order("ForcedOpen").await?;
    let counted = |canary: &Value| failed_checks(canary) == 2;
    shop.wait_all("Canary", "to count", counted).await?;
    shop.wait_all("Canary", "to fail", failed).await?;
    let mut events = shop.list("Event").await?;
    let begins = format!(
        "Halt basket.{} advancement external check fusegate counts failed",
        shop.namespace
    );
    events.retain(|event| {
        event["note"]
            .as_str()
            .is_some_and(|note| note.starts_with(&begins))
    });
    ensure!(
        events.len() == 1,
        "Kubernetes keeps equal Events as one: {events:?}"
    );
    let note = events[0]["note"].as_str().unwrap_or_default();
    let reason = shop.gate_answer().await?["reason"].clone();
    let reason = reason.as_str().unwrap_or_default();
    ensure!(note == format!("{begins} {reason}"), "{note:?}");
    shop.end().await
}
