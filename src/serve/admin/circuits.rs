//! The circuits, live, as JSON: `GET /v1/circuits`.

use std::iter::repeat;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as UrlQuery, State};
use serde::{Deserialize, Serialize};

use crate::breaker::circuit::StateName;
use crate::breaker::time::Mono;
use crate::serve::admin::page::{self, Page};
use crate::serve::bad_request::BadRequest;
use crate::serve::state::ServeState;
use crate::serve::wire::{self, RuleDocument};
use crate::wire::view::{CircuitView, PolicyView, View};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    namespace: Option<String>,
    policy: Option<String>,
    state: Option<String>,
    q: Option<String>,
    limit: Option<usize>,
    r#continue: Option<String>,
}

/// One circuit.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::serve) struct Document {
    namespace: String,
    policy: String,
    group: Option<String>,
    kind: Option<String>,
    object: String,
    uid: String,
    state: &'static str,
    shadow: &'static str,
    mode: &'static str,
    #[serde(rename = "override")]
    forced: Option<&'static str>,
    trip_id: Option<String>,
    cause: Option<&'static str>,
    since: Option<String>,
    until: Option<String>,
    admit_percent: u8,
    armed: bool,
    latched: bool,
    suppressed: bool,
    inhibited_by: Option<String>,
    rules: Vec<RuleDocument>,
}

pub(super) async fn list(
    State(state): State<ServeState>,
    parameters: Result<UrlQuery<Parameters>, QueryRejection>,
) -> Result<Json<Page<Document>>, BadRequest> {
    let parameters = page::parameters(
        parameters,
        "`namespace`, `policy`, `state`, `q`, `limit` and `continue`",
    )?;
    let limit = page::limit(parameters.limit)?;
    let filter = Filter::try_new(&parameters)?;
    let view = state.view.load();
    let now = state.clock.now().mono;
    Ok(Json(Page::of(
        filter.matches(&view),
        limit,
        Row::place,
        |row| row.document(now),
    )))
}

/// Which circuits are asked for.
struct Filter<'a> {
    namespace: Option<&'a str>,
    policy: Option<&'a str>,
    state: Option<Standing>,
    text: Option<&'a str>,
    after: Option<[&'a str; 3]>,
}

/// One circuit and where it stands.
pub(in crate::serve) struct Row<'a> {
    pub(in crate::serve) namespace: &'a Arc<str>,
    pub(in crate::serve) name: &'a Arc<str>,
    pub(in crate::serve) policy: &'a PolicyView,
    pub(in crate::serve) object: &'a Arc<str>,
    pub(in crate::serve) circuit: &'a CircuitView,
}

/// How a circuit stands, as it can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Standing {
    State(StateName),
    Armed,
    Latched,
    Suppressed,
    Overridden,
    /// Any but Closed and at rest.
    Troubled,
}

impl<'a> Filter<'a> {
    fn try_new(parameters: &'a Parameters) -> Result<Self, BadRequest> {
        Ok(Self {
            namespace: parameters.namespace.as_deref(),
            policy: parameters.policy.as_deref(),
            state: parameters.state.as_deref().map(Standing::of).transpose()?,
            text: parameters.q.as_deref(),
            after: parameters
                .r#continue
                .as_deref()
                .map(page::place)
                .transpose()?,
        })
    }

    /// The circuits, by namespace, policy and object.
    fn matches<'v>(&'v self, view: &'v View) -> impl Iterator<Item = Row<'v>> {
        let first = match self.after {
            Some([namespace, policy, _]) => (namespace, policy),
            None => (self.namespace.unwrap_or_default(), ""),
        };
        view.policies
            .range((Arc::from(first.0), Arc::from(first.1))..)
            .take_while(|((namespace, _), _)| {
                self.namespace.is_none_or(|only| **namespace == *only)
            })
            .filter(|((_, name), _)| self.policy.is_none_or(|only| **name == *only))
            .flat_map(|((namespace, name), policy)| {
                policy.circuits.iter().map(move |(object, circuit)| Row {
                    namespace,
                    name,
                    policy,
                    object,
                    circuit,
                })
            })
            .filter(|row| self.state.is_none_or(|only| only.is_of(row.circuit)))
            .filter(|row| self.text.is_none_or(|text| row.contains(text)))
            .filter(|row| self.after.is_none_or(|after| row.names() > after))
    }
}

impl<'a> Row<'a> {
    fn names(&self) -> [&'a str; 3] {
        [self.namespace, self.name, self.object]
    }

    fn place(&self) -> String {
        self.names().join("/")
    }

    /// Whether a text stands in its names, in whatever case.
    fn contains(&self, text: &str) -> bool {
        let text = text.trim().to_ascii_lowercase();
        self.place().to_ascii_lowercase().contains(&text)
    }

    pub(in crate::serve) fn document(&self, now: Mono) -> Document {
        let circuit = self.circuit;
        let kind = self.policy.kind.as_ref();
        Document {
            namespace: self.namespace.to_string(),
            policy: self.name.to_string(),
            group: kind.map(|kind| kind.group.to_string()),
            kind: kind.map(|kind| kind.kind.to_string()),
            object: self.object.to_string(),
            uid: circuit.uid.to_string(),
            state: wire::state(circuit.state),
            shadow: wire::state(circuit.shadow),
            mode: wire::mode(self.policy.observe),
            forced: circuit.forced.map(wire::forced),
            trip_id: circuit.trip.map(|trip| trip.to_string()),
            cause: circuit.cause.map(wire::cause),
            since: circuit.since.and_then(wire::time),
            until: circuit.until.and_then(wire::time),
            admit_percent: circuit.admit_percent,
            armed: circuit.armed,
            latched: circuit.latched,
            suppressed: circuit.suppressed,
            inhibited_by: circuit.root.as_deref().map(str::to_owned),
            rules: circuit
                .rules()
                .zip(self.policy.units.iter().copied().chain(repeat("")))
                .map(|(rule, unit)| RuleDocument::new(rule, unit, now))
                .collect(),
        }
    }
}

impl Standing {
    fn of(text: &str) -> Result<Self, BadRequest> {
        let states = [StateName::Closed, StateName::Open, StateName::HalfOpen];
        let state = states.into_iter().find(|name| wire::state(*name) == text);
        match (state, text) {
            (Some(state), _) => Ok(Self::State(state)),
            (None, "Armed") => Ok(Self::Armed),
            (None, "Latched") => Ok(Self::Latched),
            (None, "Suppressed") => Ok(Self::Suppressed),
            (None, "Overridden") => Ok(Self::Overridden),
            (None, "Troubled") => Ok(Self::Troubled),
            (None, _) => Err(BadRequest::Value {
                name: "state",
                value: wire::quoted(text),
                remedy: "give Closed, Open, HalfOpen, Armed, Latched, Suppressed, Overridden or Troubled",
            }),
        }
    }

    /// Whether a circuit stands so.
    pub(in crate::serve) fn is_of(self, circuit: &CircuitView) -> bool {
        match self {
            Self::State(state) => circuit.state == state,
            Self::Armed => circuit.armed && circuit.shadow == StateName::Closed,
            Self::Latched => circuit.latched,
            Self::Suppressed => circuit.suppressed,
            Self::Overridden => circuit.forced.is_some(),
            Self::Troubled => {
                circuit.state != StateName::Closed
                    || circuit.shadow != StateName::Closed
                    || circuit.armed
                    || circuit.latched
                    || circuit.suppressed
                    || circuit.forced.is_some()
            }
        }
    }
}
