//! Illegal updates: not published, named with key and limit, and counted as the policy says.

use anyhow::{Result, ensure};
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    store::Place,
    world::{Opening, Shop, latency},
};

/// Illegal updates are Bad.
const STRICT: &str = "strict";
/// Illegal updates are no evidence.
const LENIENT: &str = "lenient";

/// What can be wrong with an update whose latency is good.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    UnknownKey,
    Type,
    Range,
    Entries,
    Depth,
    KeyLength,
    NotANumber,
    Size,
}

impl Wrong {
    /// The conditions beside the latency.
    fn values(self, place: Place) -> Vec<(String, Value)> {
        let error_rate = |value: Value| vec![("error-rate".to_owned(), value)];
        match self {
            Self::UnknownKey => vec![("surprise".to_owned(), json!(1))],
            Self::Type => error_rate(json!(true)),
            Self::Range => error_rate(json!(1.5)),
            Self::Entries => {
                let spare = (1..=8).map(|index| (format!("spare-{index}"), json!(index)));
                let note = ("note".to_owned(), json!("x"));
                let mut values = error_rate(json!(0.5));
                values.extend(spare.chain([note]));
                values
            }
            Self::Depth => error_rate(json!({"value": {"a": {"b": 1}}})),
            Self::KeyLength => vec![("k".repeat(64), json!(1))],
            Self::NotANumber => error_rate(json!("NaN")),
            Self::Size => vec![("note".to_owned(), json!("x".repeat(large(place))))],
        }
    }

    /// What the message must name: the key, and the limit.
    fn named(self, place: Place) -> Vec<String> {
        let named = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect();
        match self {
            Self::UnknownKey => named(&["\"surprise\"", "is not declared by contract"]),
            Self::Type => named(&["\"error-rate\"", "a number, such as 0.05"]),
            Self::Range => named(&["\"error-rate\"", "1.5", "above the maximum of 1"]),
            Self::Entries => named(&[".status.conditions", "11 entries", "allows 10"]),
            Self::Depth => named(&["\"error-rate\"", "reaches depth 4", "allows 3"]),
            Self::KeyLength => named(&[&"k".repeat(64), "64 characters", "allows 63"]),
            Self::NotANumber => named(&["\"error-rate\"", "NaN", "a number, such as 0.05"]),
            Self::Size => {
                // The value as JSON, in its quotes.
                let bytes = format!("{} bytes", large(place) + 2);
                named(&["\"note\"", &bytes, "allows 1024"])
            }
        }
    }
}

/// An API server takes no more than about 1.5 MiB in all.
fn large(place: Place) -> usize {
    match place {
        Place::Folder => 10_000_000,
        _ => 1 << 20,
    }
}

/// A legal latency, and something wrong beside it.
async fn report(shop: &Shop, place: Place, wrong: Wrong, latency: &str) -> Result<()> {
    let beside = wrong.values(place);
    let mut values = vec![("network-latency", json!(latency))];
    values.extend(
        beside
            .iter()
            .map(|(key, value)| (key.as_str(), value.clone())),
    );

    let line = shop.report("front", &values).await?;

    ensure!(line.text("verdict") == "Rejected", "{line:?}");
    let reason = line.text("reason");
    for part in wrong.named(place) {
        ensure!(reason.contains(&part), "{part} is not named in: {reason}");
    }
    ensure!(reason.len() < 4_096, "a reason of {} bytes", reason.len());
    Ok(())
}

/// What came after an illegal update is at Envoy, which shows that nothing of the update is.
async fn published_is_unchanged(shop: &Shop, marker: &str) -> Result<()> {
    shop.report("back", &latency(&format!("{marker}ms")))
        .await?;
    shop.wait_published("back", marker).await?;
    let published = shop.published().await?;
    let expect = [("back", marker), ("front", "100")];
    let expect =
        expect.map(|(object, value)| (format!("{object}.network-latency"), value.to_owned()));
    assert_eq!(published, expect);
    Ok(())
}

#[rstest]
#[case::an_unknown_key(Wrong::UnknownKey)]
#[case::a_wrong_type(Wrong::Type)]
#[case::out_of_range(Wrong::Range)]
#[case::eleven_entries(Wrong::Entries)]
#[case::depth_four(Wrong::Depth)]
#[case::a_key_of_64_characters(Wrong::KeyLength)]
#[case::not_a_number(Wrong::NotANumber)]
#[case::a_huge_value(Wrong::Size)]
#[tokio::test]
async fn an_illegal_update_is_not_published_and_three_trip_without_shedding(
    #[case] wrong: Wrong,
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let opening = Opening::at(place)
        .policy(STRICT, json!({}))
        .policy(LENIENT, json!({"trip": {"illegal": "Unknown"}}));
    let shop = opening.object("front").object("back").open().await?;

    report(&shop, place, wrong, "101ms").await?;
    published_is_unchanged(&shop, "111").await?;
    report(&shop, place, wrong, "102ms").await?;
    shop.assert_never_moved(STRICT, "front").await?;
    report(&shop, place, wrong, "103ms").await?;

    let trip = shop.wait_open(STRICT, "front").await?;
    let record = shop.wait_recorded(STRICT, &trip).await?;
    assert_eq!(record["cause"], "Illegal");
    shop.wait_rolled_back().await?;
    let alert = shop.wait_alert(&trip).await?;
    assert_eq!(alert["labels"]["condition"], "updates");
    published_is_unchanged(&shop, "112").await?;
    assert_eq!(shop.answer("front").await?, 200);
    shop.assert_never_moved(LENIENT, "front").await
}

#[rstest]
#[tokio::test]
async fn a_bad_value_beside_junk_trips_with_cause_breach(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let opening = Opening::at(place).policy(STRICT, json!({}));
    let shop = opening.object("front").object("back").open().await?;

    for latency in ["300ms", "310ms", "320ms"] {
        report(&shop, place, Wrong::UnknownKey, latency).await?;
    }

    let trip = shop.wait_open(STRICT, "front").await?;
    let record = shop.wait_recorded(STRICT, &trip).await?;
    assert_eq!(record["cause"], "Breach");
    shop.wait_answer("front", 503).await?;
    assert_eq!(shop.answer("back").await?, 200);
    published_is_unchanged(&shop, "111").await
}
