//! A circuit: all there is to know of one, for `GET /v1/circuits/{namespace}/{policy}/{object}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::Value;

use crate::serve::admin::circuits::{self, Row};
use crate::serve::history::track::{Move, Sample, Track};
use crate::serve::page::commands::{self, Command, Of};
use crate::serve::page::missing::Missing;
use crate::serve::page::rule::{self, plain};
use crate::serve::proxies::{Proxy, Query as ProxyQuery};
use crate::serve::state::ServeState;
use crate::serve::verdict::Query;
use crate::serve::wire;
use crate::wire::view::{CircuitView, PolicyView, View};

/// The most proxies that are looked through for those that hold a layer.
const MOST_PROXIES: usize = 10_000;

/// The most of them that are listed, those that refuse first.
const LISTED: usize = 50;

/// Everything about one circuit.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    circuit: circuits::Document,
    now: i64,
    object_kind: Option<String>,
    contract: Option<String>,
    /// Such as `3 Bad samples in a row within 10 min`.
    takes: Option<String>,
    rules: Vec<rule::Document>,
    /// Moment, index of the rule, class, number.
    samples: Vec<(i64, u16, &'static str, Option<f64>)>,
    moves: Vec<MoveDocument>,
    last_trip: Option<TripDocument>,
    probe: Option<(u32, u32)>,
    gate: Gate,
    layer: Option<String>,
    shed: Value,
    on_trip: Value,
    proxies: Proxies,
    /// What the policy says of itself.
    conditions: Value,
    /// What the policy's status says of this circuit.
    record: Value,
    /// Rollbacks of the CRD that trips of this circuit asked for or joined.
    incidents: Vec<Value>,
    /// What the contract says of itself.
    contract_conditions: Value,
    commands: Vec<Command>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MoveDocument {
    at: i64,
    state: &'static str,
    shadow: &'static str,
    #[serde(rename = "override")]
    forced: Option<&'static str>,
    admit_percent: u8,
    trip_id: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TripDocument {
    id: String,
    at: i64,
    condition: Option<String>,
    value: Value,
}

#[derive(Debug, Serialize)]
struct Gate {
    state: &'static str,
    passes: bool,
    reason: String,
}

/// Who holds the policy's layer as published.
#[derive(Debug, Default, Serialize)]
struct Proxies {
    subscribed: usize,
    holding: usize,
    refusing: usize,
    listed: Vec<Holder>,
}

#[derive(Debug, Serialize)]
struct Holder {
    node: String,
    address: Option<String>,
    holds: bool,
    version: Option<String>,
    refused: Option<String>,
}

pub(super) async fn show(
    State(state): State<ServeState>,
    Path((namespace, policy, object)): Path<(String, String, String)>,
) -> Result<Json<Document>, Missing> {
    let view = state.view.load_full();
    let found = Found::of(&view, &namespace, &policy, &object);
    let found = found.ok_or_else(|| Missing::Circuit {
        policy: wire::quoted(&format!("{namespace}/{policy}")),
        object: wire::quoted(&object),
    })?;
    Ok(Json(document(&state, &view, &found).await))
}

/// A circuit and its policy.
pub(super) struct Found<'a> {
    pub(super) namespace: &'a Arc<str>,
    pub(super) name: &'a Arc<str>,
    pub(super) policy: &'a PolicyView,
    pub(super) object: &'a Arc<str>,
    pub(super) circuit: &'a CircuitView,
}

impl<'a> Found<'a> {
    fn of(view: &'a View, namespace: &str, policy: &str, object: &str) -> Option<Self> {
        let key = (Arc::from(namespace), Arc::from(policy));
        let ((namespace, name), policy) = view.policies.get_key_value(&key)?;
        let (object, circuit) = policy.circuits.get_key_value(object)?;
        Some(Self {
            namespace,
            name,
            policy,
            object,
            circuit,
        })
    }

    /// The circuit whose trip this is, or was last.
    pub(super) fn of_trip(view: &'a View, trip: &str) -> Option<Self> {
        let id = trip.parse().ok()?;
        view.policies
            .iter()
            .find_map(|((namespace, name), policy)| {
                let mut circuits = policy.circuits.iter();
                let (object, circuit) = circuits.find(|(_, circuit)| {
                    circuit.trip == Some(id)
                        || circuit
                            .tripped
                            .as_ref()
                            .is_some_and(|tripped| tripped.id == id)
                })?;
                Some(Self {
                    namespace,
                    name,
                    policy,
                    object,
                    circuit,
                })
            })
    }
}

/// All there is to know of a circuit.
pub(super) async fn document(state: &ServeState, view: &View, found: &Found<'_>) -> Document {
    let Found {
        namespace,
        name,
        policy,
        object,
        circuit,
    } = *found;
    let (samples, moves) = {
        let history = state.history.read().await;
        let track = history.track(namespace, name, object);
        let samples = track.into_iter().flat_map(Track::samples).map(sample);
        let moves = track
            .into_iter()
            .flat_map(Track::moves)
            .map(MoveDocument::new);
        (samples.collect(), moves.collect())
    };
    let verdict = state.look(&Query {
        namespace,
        policy: name,
        objects: &[object],
        ..Query::default()
    });
    let spec = policy.spec.as_deref();
    let status = policy.status.as_deref();
    let records = status.into_iter().flat_map(|status| &status.circuits);
    let record = records
        .into_iter()
        .find(|record| *record.uid == *circuit.uid);
    let contract = spec.map(|spec| spec.contract.as_str());
    let of_contract = contract.and_then(|contract| view.contracts.get(contract));
    let trip = circuit
        .tripped
        .as_ref()
        .map(|tripped| tripped.id.to_string());
    let incidents = of_contract
        .into_iter()
        .flat_map(|contract| &contract.incidents);
    let of_contract = of_contract.and_then(|contract| contract.status.as_deref());
    let now = state.clock.now();
    let row = Row {
        namespace,
        name,
        policy,
        object,
        circuit,
    };
    Document {
        circuit: row.document(now.mono),
        now: now.wall.0,
        object_kind: policy.kind.as_ref().map(ToString::to_string),
        contract: contract.map(str::to_owned),
        takes: policy.config.as_deref().map(rule::takes),
        rules: rule::rules(policy),
        samples,
        moves,
        last_trip: circuit.tripped.as_ref().map(|tripped| TripDocument {
            id: tripped.id.to_string(),
            at: tripped.at.0,
            condition: tripped.condition.as_deref().map(str::to_owned),
            value: wire::value(tripped.value.as_ref()),
        }),
        probe: circuit.probe.map(|probe| (probe.successes, probe.needed)),
        gate: Gate {
            state: verdict.state.name(),
            passes: verdict.passes(),
            reason: verdict.reason,
        },
        layer: policy.layer.as_deref().map(str::to_owned),
        shed: spec.map_or(Value::Null, |spec| plain(&spec.mesh.shed)),
        on_trip: spec.map_or(Value::Null, |spec| plain(&spec.on_trip)),
        proxies: Proxies::of(state, policy.layer.as_deref()),
        conditions: status.map_or(Value::Null, |status| plain(&status.conditions)),
        record: record.map_or(Value::Null, plain),
        incidents: incidents.rev().take(8).map(plain).collect(),
        contract_conditions: of_contract.map_or(Value::Null, |status| plain(&status.conditions)),
        commands: commands::commands(
            &state.installation,
            &Of {
                namespace,
                policy: name,
                object,
                kind: policy.kind.as_ref(),
                trip: trip.as_deref(),
            },
            now.wall,
        ),
    }
}

impl MoveDocument {
    fn new(moved: &Move) -> Self {
        Self {
            at: moved.at.0,
            state: wire::state(moved.state),
            shadow: wire::state(moved.shadow),
            forced: moved.forced.map(wire::forced),
            admit_percent: moved.admit_percent,
            trip_id: moved.trip.map(|trip| trip.to_string()),
        }
    }
}

impl Proxies {
    fn of(state: &ServeState, layer: Option<&str>) -> Self {
        let Some(layer) = layer else {
            return Self::default();
        };
        let query = ProxyQuery {
            layer: Some(layer.to_owned()),
            most: MOST_PROXIES,
            ..ProxyQuery::default()
        };
        let found = (state.proxies)(&query);
        let mut holders: Vec<_> = found
            .iter()
            .filter_map(|proxy| Holder::of(proxy, layer))
            .collect();
        // Those that want looking at come first.
        holders.sort_by_key(|holder| (holder.refused.is_none(), holder.holds));
        let count = |is: fn(&Holder) -> bool| holders.iter().filter(|holder| is(holder)).count();
        Self {
            subscribed: holders.len(),
            holding: count(|holder| holder.holds),
            refusing: count(|holder| holder.refused.is_some()),
            listed: {
                holders.truncate(LISTED);
                holders
            },
        }
    }
}

impl Holder {
    fn of(proxy: &Proxy, layer: &str) -> Option<Self> {
        let mut types = proxy.types.iter();
        let (of_type, name) = types.find_map(|of_type| {
            let mut names = of_type.names.iter();
            Some((of_type, names.find(|name| name.name == layer)?))
        })?;
        let refused = of_type.nacked.as_ref().filter(|_| name.nacked.is_some());
        Some(Self {
            node: proxy.node.clone(),
            address: proxy.address.clone(),
            holds: name.acked.is_some() && name.acked == name.published,
            version: name.acked.clone(),
            refused: refused.map(|refused| refused.message.clone()),
        })
    }
}

fn sample(sample: &Sample) -> (i64, u16, &'static str, Option<f64>) {
    let value = sample.value.filter(|value| value.is_finite());
    (sample.at.0, sample.rule, wire::class(sample.class), value)
}
