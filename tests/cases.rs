//! Cases: conditions of real kinds as their operators write them, judged by the real program over a directory and at an API server.
//!
//! Each was once judged wrongly. Those that are about files, and not about conditions, are in `files`.

mod answers;
mod case;
mod files;
mod place;
mod swap;

use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};
use fusegate_crds::Time;
use rstest::rstest;

use case::Case;
use place::Place;

/// A time that lies from now as far as this.
#[expect(
    clippy::disallowed_methods,
    reason = "a reporter reads a clock of its own"
)]
fn from_now(seconds: i64) -> Result<String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let millis = i64::try_from(now.as_millis())? + seconds * 1_000;
    let time = Time::from_millis(millis).context("no such time")?;
    Ok(time.to_string())
}

/// The object is legal and healthy, trips when it is sick, and closes when it is healthy again.
#[rstest]
#[case::an_enum_of_its_own("01-prometheus", "degraded", "unavailable")]
#[case::without_a_status("03-argocd", "synced", "failing")]
#[case::a_field_of_a_field("03b-argocd-health", "healthy", "degraded")]
#[case::there_only_while_it_holds("04-flux-stalled", "ready", "stalled")]
#[case::of_any_parent("11-httproute", "resolved", "unresolved")]
#[case::keys_by_wildcard("16-keda", "happy", "failing")]
#[case::text_in_a_map("19-string-map", "reachable", "unreachable")]
#[case::an_empty_time("21-longhorn-list", "scheduled", "unscheduled")]
#[case::a_map_of_status("22-longhorn-map", "scheduled", "unscheduled")]
#[case::scalars_of_the_status("26-phase", "succeeded", "failed")]
#[tokio::test]
async fn the_sick_trips_and_closes_once_it_is_healthy(
    #[values(Place::Folder, Place::Cluster)] place: Place,
    #[case] folder: &'static str,
    #[case] healthy: &str,
    #[case] sick: &str,
) -> Result<()> {
    let mut case = Case::open(place, folder).await?;
    case.becomes(healthy).await?.is_clean()?;
    case.stays_closed().await?;

    case.becomes(sick).await?.is_clean()?;
    case.gets("Open").await?;
    case.becomes(healthy).await?.is_clean()?;
    case.gets("Closed").await?;
    Ok(())
}

#[rstest]
#[tokio::test]
async fn what_an_entry_says_is_read_by_its_declared_type(
    #[values(Place::Folder, Place::Cluster)] place: Place,
) -> Result<()> {
    let mut case = Case::open(place, "01-prometheus").await?;
    case.becomes("degraded").await?.is_clean()?;
    let circuit = case.circuit().await?;
    ensure!(circuit["rules"][0]["value"] == "Degraded", "{circuit}");
    ensure!(circuit["rules"][0]["class"] == "Good", "{circuit}");

    let mut case = Case::open(place, "19-string-map").await?;
    // As text in any case, and as JSON's own.
    for (state, value) in [
        ("reachable", true),
        ("unreachable", false),
        ("native", true),
    ] {
        case.becomes(state).await?.is_clean()?;
        let circuit = case.circuit().await?;
        ensure!(circuit["rules"][0]["value"] == value, "{circuit}");
    }
    let circuit = case.circuit().await?;
    ensure!(circuit["rules"][1]["value"] == 85.0, "{circuit}");
    ensure!(circuit["rules"][2]["value"] == 41.0, "{circuit}");
    Ok(())
}

#[rstest]
#[tokio::test]
async fn blips_with_health_between_them_are_no_streak(
    #[values(Place::Folder, Place::Cluster)] place: Place,
) -> Result<()> {
    let mut case = Case::open(place, "05-flux-blips").await?;
    case.becomes("ready").await?.is_clean()?;

    for _ in 0..3 {
        case.becomes("stalled").await?.is_clean()?;
        let circuit = case.wait("at one", |circuit| circuit["rules"][0]["streak"] == 1);
        circuit.await?;
        case.becomes("ready").await?.is_clean()?;
        let circuit = case.wait("at none", |circuit| circuit["rules"][0]["streak"] == 0);
        circuit.await?;
    }
    let circuit = case.circuit().await?;
    ensure!(circuit["state"] == "Closed", "{circuit}");
    ensure!(circuit["rules"][0]["class"] == "Good", "{circuit}");
    ensure!(case.moves()?.is_empty(), "{:?}", case.moves()?);
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_clock_that_is_ahead_hides_no_breach_and_is_told(
    #[values(Place::Folder, Place::Cluster)] place: Place,
) -> Result<()> {
    let mut case = Case::open(place, "06-flagger-ahead").await?;
    case.becomes_at("succeeded", &from_now(0)?)
        .await?
        .is_clean()?;

    case.becomes_at("failed", &from_now(600)?)
        .await?
        .is_clean()?;
    let message = case.says("ConditionContract", "ClockSkew", "ReporterAhead");
    let message = message.await?;
    ensure!(
        message.contains("object web") && message.contains("Promoted"),
        "{message}"
    );
    case.gets("Open").await?;
    let skewed = "fusegate_problems_total{code=\"ClockSkew\"}";
    ensure!(case.store.fusegate().metric(skewed).await? >= 1.0);

    // Its clock was set: its next times lie before those that it wrote.
    case.becomes_at("succeeded", &from_now(0)?)
        .await?
        .is_clean()?;
    case.gets("Closed").await?;
    let skew = case
        .says("ConditionContract", "ClockSkew", "ReporterAhead")
        .await;
    ensure!(skew.is_err(), "{skew:?}");
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_clock_that_steps_back_hides_no_breach(
    #[values(Place::Folder, Place::Cluster)] place: Place,
) -> Result<()> {
    let mut case = Case::open(place, "18-flagger-steps-back").await?;
    case.becomes_at("succeeded", &from_now(0)?)
        .await?
        .is_clean()?;

    case.becomes_at("failed", &from_now(-3_600)?)
        .await?
        .is_clean()?;
    case.gets("Open").await?;
    case.becomes_at("succeeded", &from_now(-7_200)?)
        .await?
        .is_clean()?;
    case.gets("Closed").await?;
    Ok(())
}

#[rstest]
#[tokio::test]
async fn of_two_entries_the_one_that_changed_last_is_judged(
    #[values(Place::Folder, Place::Cluster)] place: Place,
) -> Result<()> {
    let mut case = Case::open(place, "07-strimzi").await?;
    let line = case.becomes("two-warnings").await?;
    line.notes(&["Warning"])?;
    ensure!(!line.reason().contains("Note"), "{}", line.reason());
    let circuit = case.circuit().await?;
    ensure!(circuit["rules"][1]["value"] == false, "{circuit}");

    // The duplicate is told once; a time in a form that nothing needs is not told at all.
    case.becomes("old-offset").await?.is_clean()?;
    case.gets("Open").await?;
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_value_that_stands_bad_reopens_at_the_next_level(
    #[values(Place::Folder, Place::Cluster)] place: Place,
) -> Result<()> {
    let mut case = Case::open(place, "17-rollout").await?;
    case.becomes("progressing").await?.is_clean()?;
    // `lastUpdateTime` is written with changes only, so that it makes nothing stale.
    case.stays_closed().await?;
    let circuit = case.circuit().await?;
    ensure!(circuit["rules"][0]["class"] == "Good", "{circuit}");

    case.becomes("stuck").await?.is_clean()?;
    let first = case.gets("Open").await?;
    let again = case.wait("Open by another trip", |circuit| {
        circuit["state"] == "Open" && circuit["tripId"] != first["tripId"]
    });
    let again = again.await?;
    ensure!(wait_of(&again)? > wait_of(&first)?, "{first}, then {again}");

    // The rule that stood Good all along keeps nothing open.
    case.becomes("progressing").await?.is_clean()?;
    case.gets("Closed").await?;
    Ok(())
}

/// How long an Open circuit waits, in milliseconds.
fn wait_of(circuit: &serde_json::Value) -> Result<i64> {
    let time = |field: &str| circuit[field].as_str().and_then(Time::parse);
    let times = time("since").zip(time("until"));
    let (since, until) = times.with_context(|| format!("no times: {circuit}"))?;
    Ok(until.millis() - since.millis())
}

#[rstest]
#[tokio::test]
async fn an_expression_that_fails_is_unknown_and_told(
    #[values(Place::Folder, Place::Cluster)] place: Place,
) -> Result<()> {
    let mut case = Case::open(place, "11-httproute").await?;
    case.becomes("resolved").await?.is_clean()?;

    // What reads a field that is not there has no value, and what can't be computed has an error for one.
    case.becomes("no-parents").await?.is_clean()?;
    let circuit = case.circuit().await?;
    ensure!(
        circuit["rules"][0]["unknownReason"] == "Missing",
        "{circuit}"
    );
    case.becomes("odd-parents").await?.notes(&["accepted"])?;
    let circuit = case.circuit().await?;
    ensure!(circuit["rules"][0]["unknownReason"] == "Error", "{circuit}");
    case.stays_closed().await
}
