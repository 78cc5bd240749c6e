//! A circuit: all there is to know of one, for `GET /v1/circuits/{namespace}/{policy}/{object}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::Value;

use crate::serve::admin::circuits::{self, Row};
use crate::serve::history::track::{Move, Sample, Track};
use crate::serve::page::commands::{self, Command, Of};
use crate::serve::page::mesh::Mesh;
use crate::serve::page::missing::Missing;
use crate::serve::page::rule::{self, plain};
use crate::serve::page::statuses::Statuses;
use crate::serve::state::ServeState;
use crate::serve::verdict::Query;
use crate::serve::wire;
use crate::wire::view::{CircuitView, PolicyView, Tripped, View};

/// Everything about one circuit.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    circuit: circuits::Document,
    now: i64,
    object_kind: Option<String>,
    /// Such as `3 Bad samples in a row within 10 min`.
    takes: Option<String>,
    rules: Vec<rule::Document>,
    /// Moment, index of the rule, class, number.
    samples: Vec<(i64, u16, &'static str, Option<f64>)>,
    moves: Vec<MoveDocument>,
    last_trip: Option<TripDocument>,
    probe: Option<(u32, u32)>,
    gate: Gate,
    on_trip: Value,
    #[serde(flatten)]
    mesh: Mesh,
    #[serde(flatten)]
    statuses: Statuses,
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

    fn commands(&self, state: &ServeState) -> Vec<Command> {
        let trip = self.circuit.tripped.as_ref();
        let trip = trip.map(|tripped| tripped.id.to_string());
        let of = Of {
            namespace: self.namespace,
            policy: self.name,
            object: self.object,
            kind: self.policy.kind.as_ref(),
            trip: trip.as_deref(),
        };
        commands::commands(&state.installation, &of)
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
    let now = state.clock.now();
    let row = Row {
        namespace,
        name,
        policy,
        object,
        circuit,
    };
    let spec = policy.spec.as_deref();
    Document {
        circuit: row.document(now.mono),
        now: now.wall.0,
        object_kind: policy.kind.as_ref().map(ToString::to_string),
        takes: policy.config.as_deref().map(rule::takes),
        rules: rule::rules(policy),
        samples,
        moves,
        last_trip: circuit.tripped.as_deref().map(TripDocument::new),
        probe: circuit.probe.map(|probe| (probe.successes, probe.needed)),
        gate: Gate::of(state, found),
        on_trip: spec.map_or(Value::Null, |spec| plain(&spec.on_trip)),
        mesh: Mesh::of(state, policy),
        statuses: Statuses::of(view, policy, circuit),
        commands: found.commands(state),
    }
}

impl TripDocument {
    fn new(tripped: &Tripped) -> Self {
        Self {
            id: tripped.id.to_string(),
            at: tripped.at.0,
            condition: tripped.condition.as_deref().map(str::to_owned),
            value: wire::value(tripped.value.as_ref()),
        }
    }
}

impl Gate {
    fn of(state: &ServeState, found: &Found<'_>) -> Self {
        let verdict = state.look(&Query {
            namespace: found.namespace,
            policy: found.name,
            objects: &[found.object],
            ..Query::default()
        });
        Self {
            state: verdict.state.name(),
            passes: verdict.passes(),
            reason: verdict.reason,
        }
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

fn sample(sample: &Sample) -> (i64, u16, &'static str, Option<f64>) {
    let value = sample.value.filter(|value| value.is_finite());
    (sample.at.0, sample.rule, wire::class(sample.class), value)
}
