//! An outage: the API server away for a minute, or its etcd frozen for one; nothing is cleared, nothing is counted, nothing moves.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    store::Place,
    witness::{Witness, now},
    world::{Opening, Shop},
};
use crate::support::{
    servers::envoy::{Envoy, EnvoyConfig},
    wait::{eventually, throughout},
};

/// Trips `front` by its latency, and waits for less than the outage lasts.
const TRIPPED: &str = "tripped";
/// Trips `back` by its error rate, and is HalfOpen by the time of the outage.
const PROBING: &str = "probing";
/// Counts a Bad value of `front` that stands, every two seconds.
const COUNTING: &str = "counting";
/// Has a streak of two over `back`, which only a new report extends.
const ARMED: &str = "armed";

const A_MINUTE: Duration = Duration::from_mins(1);

/// A fifth of the time an Envoy is given here to wait for a layer that is withheld.
const A_WHILE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outage {
    Stopped,
    EtcdFrozen,
}

impl Outage {
    async fn begin(self, shop: &mut Shop) -> Result<()> {
        let server = &mut shop.store.own()?.server;
        match self {
            Self::Stopped => server.stop_apiserver(),
            Self::EtcdFrozen => server.pause_etcd().await,
        }
    }

    async fn end(self, shop: &mut Shop) -> Result<()> {
        let server = &mut shop.store.own()?.server;
        match self {
            Self::Stopped => server.start_apiserver().await,
            Self::EtcdFrozen => server.resume_etcd(),
        }
    }
}

/// What an object reports in these stories.
fn report(latency: &str, error_rate: f64, spares: (u32, u32)) -> [(&'static str, Value); 4] {
    [
        ("network-latency", json!(latency)),
        ("error-rate", json!(error_rate)),
        ("spare-1", json!(spares.0)),
        ("spare-2", json!(spares.1)),
    ]
}

/// A policy over one condition; `back` and `front` have a circuit each, and both may be open.
fn policy(condition: &str, trip: &Value, rest: &Value) -> Value {
    let mut policy = json!({"trip": {"when": [{"condition": condition, "above": "0.5"}]}});
    super::documents::merge(
        &mut policy,
        &json!({"trip": trip, "maxOpenPercent": 100, "onTrip": []}),
    );
    super::documents::merge(&mut policy, rest);
    policy
}

/// One circuit Open, one HalfOpen, one whose streak grows by resampling, and one that is armed.
async fn busy_shop() -> Result<Shop> {
    let tripped = json!({
        "trip": {"consecutive": 1},
        "open": {"minimum": "45s", "maximum": "45s"},
        "maxOpenPercent": 100,
    });
    let opening = Opening::at(Place::OwnCluster).policy(TRIPPED, tripped);
    let shop = opening.object("front").object("back").open().await?;
    shop.report("front", &report("110ms", 0.1, (0, 0))).await?;
    shop.report("back", &report("110ms", 0.1, (0, 0))).await?;
    let once = json!({"consecutive": 1, "resample": "2s"});
    let probe = json!({
        "open": {"minimum": "1s", "maximum": "1s"},
        // Resampling would close it within 50 s, and its deadline would open it again after 55 s, both before the outage
        // is over; and both long after the watch has ceased to be confirmed, which takes 15 s.
        "halfOpen": {"admitPercent": [10], "settle": "0s", "successes": 25, "timeout": "55s", "begin": "Evidence"},
    });
    let many = json!({"consecutive": 100, "resample": "2s"});
    let more = [
        (PROBING, policy("error-rate", &once, &probe)),
        (COUNTING, policy("spare-1", &many, &json!({}))),
        (
            ARMED,
            policy("spare-2", &json!({"consecutive": 3}), &json!({})),
        ),
    ];
    for (name, patch) in more {
        let document = shop.documents.policy(name, &patch);
        shop.store.create(&document).await?;
        for object in ["front", "back"] {
            shop.wait_circuit(name, object, "to be judged", |circuit| {
                circuit["rules"][0]["class"] == "Good"
            })
            .await?;
        }
    }
    Ok(shop)
}

/// Brings the circuits to where they are when the outage begins.
async fn busy(shop: &Shop) -> Result<String> {
    shop.report("back", &report("110ms", 0.9, (0, 1))).await?;
    shop.report("back", &report("110ms", 0.9, (0, 2))).await?;
    let trip = shop.wait_tripped(PROBING, "back").await?;
    shop.wait_recorded(PROBING, &trip).await?;
    shop.report("front", &report("300ms", 0.1, (1, 0))).await?;
    let trip = shop.wait_open(TRIPPED, "front").await?;
    shop.wait_recorded(TRIPPED, &trip).await?;
    shop.wait_answer("front", 503).await?;
    // Good, and standing since the trip: once it is tried, this could be resampled.
    shop.report("back", &report("110ms", 0.2, (0, 2))).await?;
    shop.wait_half_open(PROBING, "back", 10).await?;
    shop.wait_shed("back", Some("90")).await?;
    ensure!(shop.streak(ARMED, "back").await? == 2);
    Ok(trip)
}

/// What must be so at every moment of the outage.
async fn nothing_moves(shop: &Shop, trip: &str, layers: &[Value; 2]) -> Result<()> {
    let front = shop.circuit(TRIPPED, "front").await?;
    ensure!(
        front["state"] == "Open" && front["tripId"] == trip,
        "{front}"
    );
    let back = shop.circuit(PROBING, "back").await?;
    ensure!(
        back["state"] == "HalfOpen" && back["admitPercent"] == 10,
        "{back}"
    );
    ensure!(shop.streak(ARMED, "back").await? == 2);
    ensure!(shop.gate(TRIPPED).await? == 403);
    let held = held(shop).await?;
    ensure!(held == *layers, "{held:?} is not {layers:?}");
    Ok(())
}

/// Both layers, as Envoy has them.
async fn held(shop: &Shop) -> Result<[Value; 2]> {
    let namespace = &shop.documents.namespace;
    let shed = shop.envoy.layer(namespace).await?;
    let conditions = shop.envoy.layer(&format!("{namespace}.conditions")).await?;
    Ok([json!(shed), json!(conditions)])
}

#[rstest]
#[tokio::test]
async fn without_the_api_server_nothing_is_cleared_counted_or_moved(
    #[values(Outage::Stopped, Outage::EtcdFrozen)] outage: Outage,
) -> Result<()> {
    let mut shop = busy_shop().await?;
    let trip = busy(&shop).await?;
    let (mut front, mut back) = (Witness::of(&shop, "front")?, Witness::of(&shop, "back")?);
    let layers = held(&shop).await?;
    let began = now()?;

    outage.begin(&mut shop).await?;
    throughout("nothing to move", A_MINUTE / 2, async || {
        nothing_moves(&shop, &trip, &layers).await
    })
    .await?;
    // That is so 30 s after the watch was last confirmed.
    for policy in [COUNTING, ARMED] {
        shop.wait("the gate to be Unknown", async || {
            let answer = shop.gate(policy).await?;
            ensure!(answer == 424, "{answer}");
            Ok(())
        })
        .await?;
    }
    let counted = shop.streak(COUNTING, "front").await?;
    throughout("nothing to move", A_MINUTE / 2, async || {
        nothing_moves(&shop, &trip, &layers).await?;
        ensure!(
            shop.streak(COUNTING, "front").await? == counted,
            "it was resampled"
        );
        ensure!(shop.gate(COUNTING).await? == 424);
        Ok(())
    })
    .await?;
    let returned = now()?;
    outage.end(&mut shop).await?;

    nothing_was_counted_twice(&shop, counted, returned).await?;
    for witness in [&mut front, &mut back] {
        witness.catch_up()?;
        witness.held_throughout(began, returned)?;
    }
    front.shed_throughout(began, returned)?;
    life_goes_on(&shop, &trip).await
}

/// The values that stand are resampled from the return on, every two seconds, and were not meanwhile.
async fn nothing_was_counted_twice(shop: &Shop, counted: u64, returned: i64) -> Result<()> {
    shop.wait("the standing value to count again", async || {
        let streak = shop.streak(COUNTING, "front").await?;
        let most = u64::try_from((now()? - returned) / 2_000)?;
        // An Err would be looked at again, and this would pass with time.
        assert!(
            streak <= counted + most,
            "{counted}, then {streak} with room for {most}"
        );
        ensure!(streak > counted, "{streak}");
        Ok(())
    })
    .await?;
    ensure!(
        shop.streak(ARMED, "back").await? == 2,
        "what was listed anew was counted"
    );
    Ok(())
}

/// The wait is over by now, reports are judged, and the third of its kind trips.
async fn life_goes_on(shop: &Shop, trip: &str) -> Result<()> {
    let circuit = shop.wait_half_open(TRIPPED, "front", 10).await?;
    assert_eq!(circuit["tripId"], trip);
    shop.report("back", &report("110ms", 0.2, (0, 3))).await?;
    shop.wait_open(ARMED, "back").await?;
    shop.wait_answer("back", 503).await?;
    shop.wait("the gate to know again", async || {
        let answer = shop.gate(COUNTING).await?;
        ensure!(answer == 200, "{answer}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_start_without_the_api_server_publishes_nothing_and_clears_nothing() -> Result<()> {
    let opening = Opening::at(Place::OwnCluster).policy(TRIPPED, json!({}));
    let mut shop = opening.object("front").object("back").open().await?;
    let trip = shop.trip(TRIPPED, "front").await?;
    shop.wait_recorded(TRIPPED, &trip).await?;
    shop.wait_shed("front", Some("100")).await?;
    let layers = held(&shop).await?;
    let mut witness = Witness::of(&shop, "front")?;
    shop.wait_answer("front", 503).await?;
    let began = now()?;

    let fusegate = shop.store.own_fusegate()?;
    fusegate.kill9()?;
    let logged = fusegate.log()?.len();
    shop.store.own()?.server.stop_apiserver()?;
    shop.store.own_fusegate()?.revive()?;
    let mut newcomer = start_envoy(&shop).await?;
    both_are_connected(&shop, logged).await?;

    throughout("everything to wait", A_WHILE, async || {
        let (ready, _) = shop.store.fusegate().get("readyz").await?;
        ensure!(ready != 200, "ready without having listed anything");
        ensure!(held(&shop).await? == layers);
        let state = newcomer.admin("ready").await;
        ensure!(state.is_err(), "an Envoy was given a layer: {state:?}");
        Ok(())
    })
    .await
    .with_context(|| shop.evidence())?;
    shop.store.own()?.server.start_apiserver().await?;

    newcomer.live().await?;
    ensure!(newcomer.get(&shop.documents.cluster("front")).await?.status == 503);
    ensure!(shop.wait_open(TRIPPED, "front").await? == trip);
    witness.catch_up()?;
    witness.held_throughout(began, now()?)?;
    witness.shed_throughout(began, now()?)
}

/// An Envoy that waits for its layers for as long as they don't come.
async fn start_envoy(shop: &Shop) -> Result<Envoy> {
    let config = EnvoyConfig {
        node_id: "envoy-2".to_owned(),
        initial_fetch_timeout: Duration::from_mins(10),
        ..shop.mesh.clone()
    };
    Envoy::start(config).await
}

/// Both Envoys have asked the new process for their layers: its log begins after so many bytes.
async fn both_are_connected(shop: &Shop, logged: usize) -> Result<()> {
    eventually("both Envoys to ask", A_MINUTE, async || {
        let log = shop.store.fusegate().log()?;
        let last = log.get(logged..).unwrap_or_default();
        for node in ["envoy-1", "envoy-2"] {
            ensure!(
                last.contains(&format!("node=\"{node}\"")),
                "{node} has not connected"
            );
        }
        Ok(())
    })
    .await
}
