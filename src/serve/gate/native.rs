//! Our own form: `GET /v1/gate/{namespace}/{policy}[?object=NAME][&condition=KEY]`.
//!
//! 200 passes, 403 refuses (Open or `HalfOpen`), and 424 says that the evidence the answer
//! depends on is missing (Unknown). 424 Failed Dependency is not a status that proxies
//! or HTTP clients make up or retry, so a script can tell the three apart, and a broken gate from each.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query as UrlQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::serve::bad_request::BadRequest;
use crate::serve::counters::Form;
use crate::serve::gate::{decoded, given};
use crate::serve::state::ServeState;
use crate::serve::verdict::{Counts, Deciding, GateState, Query, Verdict};
use crate::serve::wire;

pub(super) fn routes() -> Router<ServeState> {
    Router::new().route("/v1/gate/{namespace}/{policy}", get(answer))
}

/// The whole verdict.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    namespace: &'a str,
    policy: &'a str,
    object: Option<String>,
    state: &'static str,
    shadow: &'static str,
    mode: &'static str,
    #[serde(rename = "override")]
    forced: Option<&'static str>,
    passes: bool,
    verdict: &'static str,
    reason: &'a str,
    condition: Option<String>,
    value: serde_json::Value,
    class: Option<&'static str>,
    age_seconds: Option<u64>,
    streak: Option<u32>,
    trip_id: Option<String>,
    trip_ids: Vec<String>,
    cause: Option<&'static str>,
    since: Option<String>,
    until: Option<String>,
    latched: bool,
    suppressed: bool,
    circuits: CountsDocument,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CountsDocument {
    total: usize,
    open: usize,
    half_open: usize,
    unknown: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    object: Option<String>,
    condition: Option<String>,
}

async fn answer(
    State(state): State<ServeState>,
    Path((namespace, policy)): Path<(String, String)>,
    parameters: Result<UrlQuery<Parameters>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, BadRequest> {
    let parameters = decoded(parameters, "`object` and `condition`")?;
    let query = Query {
        namespace: &namespace,
        policy: &policy,
        object: given(parameters.object.as_ref()),
        condition: given(parameters.condition.as_ref()),
    };
    let verdict = state.verdict(Form::Native, &query);
    let status = status(verdict.state);
    Ok(if wants_text(&headers) {
        (status, format!("{}\n", verdict.reason)).into_response()
    } else {
        (status, Json(Document::new(&query, &verdict))).into_response()
    })
}

const fn status(state: GateState) -> StatusCode {
    match state {
        GateState::Closed => StatusCode::OK,
        GateState::Open | GateState::HalfOpen => StatusCode::FORBIDDEN,
        GateState::Unknown => StatusCode::FAILED_DEPENDENCY,
    }
}

/// Whether the caller asks for text and not for JSON.
fn wants_text(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/plain") && !accept.contains("json"))
}

impl<'a> Document<'a> {
    fn new(query: &Query<'a>, verdict: &'a Verdict) -> Self {
        let deciding = verdict.deciding.as_ref();
        let circuit = deciding.map(|deciding| &deciding.circuit);
        let rule = deciding.and_then(|deciding| deciding.rule.as_ref());
        Self {
            namespace: query.namespace,
            policy: query.policy,
            object: deciding.map(|deciding| deciding.object.to_string()),
            state: verdict.state.name(),
            shadow: verdict.shadow.name(),
            mode: wire::mode(verdict.observe),
            forced: circuit.and_then(|circuit| circuit.forced).map(wire::forced),
            passes: verdict.passes(),
            verdict: verdict.word().text(),
            reason: &verdict.reason,
            condition: rule.map(|rule| rule.condition.to_string()),
            value: wire::value(rule.and_then(|rule| rule.value.as_ref())),
            class: rule.and_then(|rule| rule.class).map(wire::class),
            age_seconds: deciding.and_then(Deciding::age_seconds),
            streak: rule.map(|rule| rule.streak),
            trip_id: circuit
                .and_then(|circuit| circuit.trip)
                .map(|trip| trip.to_string()),
            trip_ids: verdict.trips.iter().map(ToString::to_string).collect(),
            cause: circuit.and_then(|circuit| circuit.cause).map(wire::cause),
            since: circuit
                .and_then(|circuit| circuit.since)
                .and_then(wire::time),
            until: circuit
                .and_then(|circuit| circuit.until)
                .and_then(wire::time),
            latched: circuit.is_some_and(|circuit| circuit.latched),
            suppressed: circuit.is_some_and(|circuit| circuit.suppressed),
            circuits: CountsDocument::new(verdict.counts),
        }
    }
}

impl CountsDocument {
    fn new(counts: Counts) -> Self {
        Self {
            total: counts.total,
            open: counts.open,
            half_open: counts.half_open,
            unknown: counts.unknown,
        }
    }
}
