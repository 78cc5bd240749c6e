//! Rollbacks on a real API server: one that harms nothing is done, and whatever stops one leaves every object as it is
//! in etcd, byte by byte.

mod agreement;
mod converter;
mod migration;
mod person;
mod place;

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use fusegate::wire::event::RollbackEnd;
use fusegate_crds::{IncidentState, RollbackOwner};
use rstest::rstest;
use serde_json::{Value, json};

use converter::Converter;
use migration::Migrator;
use place::{Place, property, version};

use crate::support::wait::eventually;

const SOON: Duration = Duration::from_mins(1);

/// Going from `live` to `target` with these objects.
struct Case {
    target: Value,
    live: Value,
    spec: Value,
}

impl Case {
    fn new(target: Value, live: Value, spec: Value) -> Self {
        Self { target, live, spec }
    }
}

#[rstest]
#[case::only_the_old_values_are_used(Case::new(
    property("colour", &json!({"type": "string", "enum": ["red", "blue"]})),
    property("colour", &json!({"type": "string", "enum": ["red", "blue", "green"]})),
    json!({"colour": "red"}),
))]
#[case::the_field_is_empty_everywhere(Case::new(
    property("colour", &json!({"type": "string"})),
    json!({"type": "object", "properties": {"colour": {"type": "string"}, "size": {"type": "integer"}}}),
    json!({"colour": "red"}),
))]
#[tokio::test]
async fn a_rollback_that_harms_no_object_is_done(#[case] case: Case) -> Result<()> {
    let mut place = Place::new(&case.target, &case.live).await?;
    place.objects(450, &case.spec).await?;
    let before = place.stored().await?;
    assert_eq!(place.roll_back().await?, RollbackEnd::Done);
    assert_eq!(place.live_revision().await?, 1);
    ensure!(before == place.stored().await?, "objects were changed");
    // Objects can still be written.
    place.objects(1, &case.spec).await?;
    Ok(())
}

#[rstest]
#[case::data_in_a_removed_field(Case::new(
    property("colour", &json!({"type": "string"})),
    json!({"type": "object", "properties": {"colour": {"type": "string"}, "size": {"type": "integer"}}}),
    json!({"size": 3}),
), "WouldLoseData", "spec.size: data would be lost")]
#[case::a_narrowed_enum_in_use(Case::new(
    property("colour", &json!({"type": "string", "enum": ["red"]})),
    property("colour", &json!({"type": "string", "enum": ["red", "green"]})),
    json!({"colour": "green"}),
), "WouldBeInvalid", "by enum (\"green\")")]
#[case::a_new_required_field(Case::new(
    json!({"type": "object", "required": ["colour"], "properties": {"colour": {"type": "string"}}}),
    property("colour", &json!({"type": "string"})),
    json!({}),
), "WouldBeInvalid", "by required (colour is missing)")]
#[case::a_tightened_rule(Case::new(
    json!({"type": "object", "properties": {"size": {"type": "integer"}},
        "x-kubernetes-validations": [{"rule": "self.size < 3"}]}),
    property("size", &json!({"type": "integer"})),
    json!({"size": 5}),
), "WouldBeInvalid", "(self.size < 3)")]
#[case::a_default_that_comes_back(Case::new(
    property("size", &json!({"type": "integer", "default": 1})),
    property("size", &json!({"type": "integer"})),
    json!({}),
), "WouldSetDefaults", "spec.size: a default would be set")]
#[tokio::test]
async fn a_rollback_that_would_harm_an_object_is_not_done(
    #[case] case: Case,
    #[case] reason: &str,
    #[case] words: &str,
) -> Result<()> {
    let mut place = Place::new(&case.target, &case.live).await?;
    place.objects(3, &case.spec).await?;
    let message = stopped(&mut place, reason).await?;
    ensure!(
        message.contains(words) && message.contains("of 3 objects"),
        "{message}"
    );
    Ok(())
}

#[tokio::test]
async fn stored_versions_stop_a_rollback() -> Result<()> {
    let schema = property("size", &json!({"type": "integer"}));
    let one = json!([version("v1", &schema, true)]);
    let two = json!([version("v1", &schema, false), version("v2", &schema, true)]);
    let mut place = Place::with_versions(&one, &two, &json!({"strategy": "None"})).await?;
    place.objects(2, &json!({"size": 1})).await?;
    let message = stopped(&mut place, "Refused").await?;
    ensure!(message.contains("status.storedVersions"), "{message}");
    Ok(())
}

#[tokio::test]
async fn an_owner_stops_a_rollback_unless_the_contract_names_it() -> Result<()> {
    let mut place = Place::new(&small(5), &small(9)).await?;
    place.objects(2, &json!({"size": 1})).await?;
    place.apply_live("argocd-controller").await?;
    let message = stopped(&mut place, "OwnedByArgoCD").await?;
    ensure!(
        message.contains("field manager argocd-controller"),
        "{message}"
    );
    place.order.owners = vec![RollbackOwner::ArgoCd];
    place.order.incident = "another".into();
    assert_eq!(place.roll_back().await?, RollbackEnd::Done);
    Ok(())
}

#[tokio::test]
async fn a_conversion_that_is_down_stops_a_rollback() -> Result<()> {
    let versions =
        |schema: &Value| json!([version("v1", schema, true), version("v2", schema, false)]);
    let conversion = json!({"strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v1"],
        // Nobody listens on the discard port.
        "clientConfig": {"url": "https://127.0.0.1:9/convert"},
    }});
    for objects in [0, 2] {
        let (target, live) = (versions(&small(5)), versions(&small(9)));
        let mut place = Place::with_versions(&target, &live, &conversion).await?;
        place.objects(objects, &json!({"size": 1})).await?;
        let message = stopped(&mut place, "ConversionUnreachable").await?;
        ensure!(message.contains("bring it back first"), "{message}");
    }
    Ok(())
}

#[tokio::test]
async fn objects_are_judged_in_each_version_that_a_conversion_makes() -> Result<()> {
    let converter = Converter::start().await?;
    let versions = |size: u32, length: u32| {
        let length = property("length", &json!({"type": "integer", "maximum": length}));
        json!([
            version("v1", &small(size), true),
            version("v2", &length, false)
        ])
    };
    let live = versions(9, 9);
    let mut place = Place::with_versions(&versions(9, 5), &live, &converter.conversion).await?;
    place.objects(3, &json!({"size": 7})).await?;
    let message = stopped(&mut place, "WouldBeInvalid").await?;
    ensure!(
        message.contains("spec.length")
            && message.contains("would harm 3 of 6 objects, counted in each of 2 versions"),
        "{message}"
    );

    let mut place = Place::with_versions(&versions(5, 5), &live, &converter.conversion).await?;
    place.objects(3, &json!({"size": 3})).await?;
    let before = place.stored().await?;
    assert_eq!(place.roll_back().await?, RollbackEnd::Done);
    assert_eq!(place.live_revision().await?, 1);
    ensure!(before == place.stored().await?, "objects were changed");
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_running_migration_stops_a_rollback_until_it_has_ended(
    #[values(Migrator::BuiltIn, Migrator::Before)] migrator: Migrator,
) -> Result<()> {
    let mut place = Place::new(&small(5), &small(9)).await?;
    place.objects(2, &json!({"size": 1})).await?;
    let Some(migration) = place.migrate(migrator).await? else {
        // Kubernetes before 1.35 has none that are on by default.
        return Ok(());
    };
    let message = stopped(&mut place, "MigrationRunning").await?;
    ensure!(message.contains(&migration), "{message}");
    place.end_migration(migrator, &migration).await?;
    place.order.incident = "another".into();
    assert_eq!(place.roll_back().await?, RollbackEnd::Done);
    Ok(())
}

#[tokio::test]
async fn a_cooldown_stops_a_rollback_until_it_has_passed() -> Result<()> {
    let mut place = Place::new(&small(5), &small(9)).await?;
    place.objects(2, &json!({"size": 1})).await?;
    place.rolled_back_before("earlier").await?;
    let message = stopped(&mut place, "Cooldown").await?;
    ensure!(message.contains("rollback.cooldown is 10m"), "{message}");
    place.order.cooldown = 0;
    place.order.incident = "another".into();
    assert_eq!(place.roll_back().await?, RollbackEnd::Done);
    Ok(())
}

#[tokio::test]
async fn a_target_that_was_never_live_stops_a_rollback() -> Result<()> {
    let mut place = Place::new(&small(5), &small(9)).await?;
    place.order.target.hash = "unknown".into();
    stopped(&mut place, "NotLiveBefore").await?;
    Ok(())
}

#[tokio::test]
async fn a_rollback_that_is_reverted_twice_is_contested() -> Result<()> {
    let mut place = Place::new(&small(5), &small(9)).await?;
    place.objects(2, &json!({"size": 1})).await?;
    for _ in 0..2 {
        assert_eq!(place.roll_back().await?, RollbackEnd::Done);
        assert_eq!(place.live_revision().await?, 1);
        place.apply_live("pipeline").await?;
    }
    let before = place.stored().await?;
    let RollbackEnd::Contested { message } = place.roll_back().await? else {
        bail!("it must be contested");
    };
    ensure!(
        message.starts_with("pipeline brought revision 2"),
        "{message}"
    );
    assert_eq!(place.live_revision().await?, 2);
    ensure!(before == place.stored().await?, "objects were changed");
    let incidents = place.incidents().await?;
    assert_eq!(incidents[0].state, IncidentState::Contested);
    assert_eq!(
        (incidents[0].reverts, incidents[0].reverted_by.as_deref()),
        (2, Some("pipeline"))
    );
    Ok(())
}

#[tokio::test]
async fn how_many_objects_have_been_judged_is_told() -> Result<()> {
    let mut place = Place::new(&small(5), &small(9)).await?;
    place.objects(5_300, &json!({"size": 1})).await?;
    place.dispatch();
    let mut told = Vec::new();
    let end = loop {
        match place.event().await? {
            fusegate::wire::event::Event::Rollback(progress) => told.push(progress),
            fusegate::wire::event::Event::Outcome(outcome) => break outcome.end,
            other => bail!("{other:?}"),
        }
    };
    assert_eq!(end, RollbackEnd::Done);
    let progress = told.first().context("no progress was told")?;
    ensure!(
        progress.judged >= 5_000 && progress.total == 5_300,
        "{progress:?}"
    );
    Ok(())
}

/// A schema whose sizes are at most this.
fn small(maximum: u32) -> Value {
    property("size", &json!({"type": "integer", "maximum": maximum}))
}

/// Waits for a rollback to be stopped for a reason, and sees that nothing was written; answers the message.
async fn stopped(place: &mut Place, expected: &str) -> Result<String> {
    let before = place.stored().await?;
    let end = place.roll_back().await?;
    let RollbackEnd::Blocked { reason, message } = end else {
        bail!("{end:?} instead of {expected}");
    };
    assert_eq!(&*reason, expected, "{message}");
    assert_eq!(place.live_revision().await?, 2);
    ensure!(before == place.stored().await?, "objects were changed");
    eventually("the incident to be settled", SOON, async || {
        let incidents = place.incidents().await?;
        let settled = incidents
            .iter()
            .find(|each| each.id == *place.order.incident);
        let settled = settled.map(|each| (each.state, each.reason.as_deref()));
        ensure!(
            settled == Some((IncidentState::Blocked, Some(expected))),
            "{incidents:?}"
        );
        Ok(())
    })
    .await?;
    Ok(message.into())
}
