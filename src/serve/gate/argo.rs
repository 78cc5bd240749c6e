//! Argo Rollouts' form: `GET /argo/v1/verdict?namespace=NS&policy=NAME[&object=NAME][&condition=KEY]`.
//!
//! The `web` provider makes any status outside 2xx an error, and aborts at the fifth in a row. So an
//! open gate answers 200 and says so in its body; other statuses mean that the gate or the question is broken.
//! Source: argoproj/argo-rollouts, `metricproviders/webmetric/webmetric.go`.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as UrlQuery, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::serve::bad_request::BadRequest;
use crate::serve::counters::Form;
use crate::serve::gate::{decoded, given};
use crate::serve::state::ServeState;
use crate::serve::verdict::{Deciding, Query, Verdict};
use crate::serve::wire;

pub(super) fn routes() -> Router<ServeState> {
    Router::new().route("/argo/v1/verdict", get(answer))
}

/// The answer, as `successCondition` and `failureCondition` read it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    verdict: &'static str,
    state: &'static str,
    value: serde_json::Value,
    age_seconds: Option<u64>,
    streak: Option<u32>,
    reason: String,
    trip_id: Option<String>,
}

/// `resource` is another name for `object`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    namespace: Option<String>,
    policy: Option<String>,
    #[serde(alias = "resource")]
    object: Option<String>,
    condition: Option<String>,
}

async fn answer(
    State(state): State<ServeState>,
    parameters: Result<UrlQuery<Parameters>, QueryRejection>,
) -> Result<Json<Document>, BadRequest> {
    let parameters = decoded(
        parameters,
        "`namespace`, `policy`, `object` (or `resource`) and `condition`",
    )?;
    let query = Query {
        namespace: required("namespace", parameters.namespace.as_ref())?,
        policy: required("policy", parameters.policy.as_ref())?,
        object: given(parameters.object.as_ref()),
        condition: given(parameters.condition.as_ref()),
    };
    Ok(Json(Document::new(state.verdict(Form::Argo, &query))))
}

fn required<'a>(name: &'static str, parameter: Option<&'a String>) -> Result<&'a str, BadRequest> {
    given(parameter).ok_or(BadRequest::Missing {
        name,
        remedy: "ask GET /argo/v1/verdict?namespace=NAMESPACE&policy=NAME[&object=NAME][&condition=KEY]",
    })
}

impl Document {
    fn new(verdict: Verdict) -> Self {
        let deciding = verdict.deciding.as_ref();
        let rule = deciding.and_then(|deciding| deciding.rule.as_ref());
        Self {
            verdict: verdict.word().text(),
            state: verdict.state.name(),
            value: wire::value(rule.and_then(|rule| rule.value.as_ref())),
            age_seconds: deciding.and_then(Deciding::age_seconds),
            streak: rule.map(|rule| rule.streak),
            trip_id: deciding
                .and_then(|deciding| deciding.circuit.trip)
                .map(|trip| trip.to_string()),
            reason: verdict.reason,
        }
    }
}
