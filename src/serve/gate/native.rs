//! Our own form: `GET /v1/gate/{namespace}/{policy}[?object=NAME]…`.
//!
//! 200 passes, 403 refuses (Open or `HalfOpen`), and 424 says that the evidence the answer
//! depends on is missing (Unknown). 424 Failed Dependency is not a status that proxies
//! or HTTP clients make up or retry, so a script can tell the three apart, and a broken gate from each.
//! With `wait` an answer that does not pass is held back until it does, and with `accept: text/event-stream`
//! each change of the answer is sent.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use crate::serve::bad_request::BadRequest;
use crate::serve::gate::asked::Asked;
use crate::serve::gate::question::{Decoded, Parameters, pairs};
use crate::serve::gate::wait;
use crate::serve::route::routed;
use crate::serve::state::ServeState;
use crate::serve::verdict::{GateState, Verdict, VerdictName};

pub(super) fn routes() -> Router<ServeState> {
    routed(Router::new(), "/v1/gate/{namespace}/{policy}", get(answer))
}

/// What may be asked.
const KEYS: &[&str] = &[
    "object",
    "objects",
    "selector",
    "condition",
    "since",
    "wait",
];

async fn answer(
    State(state): State<ServeState>,
    Path((namespace, policy)): Path<(String, String)>,
    query: Decoded,
    headers: HeaderMap,
) -> Result<Response, BadRequest> {
    let mut parameters = Parameters::read(pairs(query)?, KEYS)?;
    let wait = parameters.take("wait");
    let wait = wait.map(|text| wait::length(&text)).transpose()?;
    let asked = Asked::new(state, namespace, policy, parameters.question()?);
    if accepts(&headers, "text/event-stream") {
        return Ok(wait::events(Arc::new(asked)));
    }
    let verdict = wait::for_a_pass(&asked, wait).await;
    let status = status(&verdict);
    Ok(if accepts(&headers, "text/plain") {
        (status, format!("{}\n", verdict.reason)).into_response()
    } else {
        (status, Json(asked.document(verdict))).into_response()
    })
}

fn status(verdict: &Verdict) -> StatusCode {
    match (verdict.name, verdict.state) {
        (VerdictName::Pass, _) => StatusCode::OK,
        (VerdictName::Unknown, GateState::Unknown) => StatusCode::FAILED_DEPENDENCY,
        (VerdictName::Fail | VerdictName::Unknown, _) => StatusCode::FORBIDDEN,
    }
}

/// Whether the caller asks for this and not for JSON.
fn accepts(headers: &HeaderMap, what: &str) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains(what) && !accept.contains("json"))
}
