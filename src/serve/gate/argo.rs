//! Argo Rollouts' form: `GET /argo/v1/verdict?namespace=NS&policy=NAME[&object=NAME]…`.
//!
//! The `web` provider makes any status outside 2xx an error and throws its body away. So an open gate answers 200
//! and says so in its body, and so does a mistake in the question, which is `unknown`.
//! Source: argoproj/argo-rollouts, `metricproviders/webmetric/webmetric.go`.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use crate::serve::bad_request::BadRequest;
use crate::serve::counters::Form;
use crate::serve::gate::counts::CountsDocument;
use crate::serve::gate::question::{Decoded, Parameters, pairs, value_of};
use crate::serve::notice::{Answer, Asker, Notice};
use crate::serve::route::routed;
use crate::serve::state::ServeState;
use crate::serve::verdict::{Counts, Deciding, GateState, Verdict, VerdictName};
use crate::serve::wire::{self, TrippedDocument};

pub(super) fn routes() -> Router<ServeState> {
    let verdict = get(answer).post(answer).put(answer);
    routed(Router::new(), "/argo/v1/verdict", verdict)
}

/// What may be asked; `resource` is another name for `object`, and `rollout` says who asks.
const KEYS: &[&str] = &[
    "namespace",
    "policy",
    "object",
    "resource",
    "objects",
    "selector",
    "condition",
    "since",
    "rollout",
];

/// The answer, as `successCondition` and `failureCondition` read it. Every field is always there.
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
    tripped: Option<TrippedDocument>,
    since: Option<String>,
    mistake: bool,
    circuits: CountsDocument,
}

async fn answer(State(state): State<ServeState>, query: Decoded) -> Json<Document> {
    let mut notice = Notice::new(Form::Argo, "verdict");
    let judged = pairs(query).and_then(|pairs| judge(&state, pairs, &mut notice));
    let document = match judged {
        Ok(verdict) => Document::new(verdict),
        Err(mistake) => {
            notice.mistaken(&mistake);
            state.counters.answered(Form::Argo, GateState::Unknown);
            Document::of_mistake(notice.reason.clone())
        }
    };
    state.notices.tell(notice);
    Json(document)
}

fn judge(
    state: &ServeState,
    pairs: Vec<(String, String)>,
    notice: &mut Notice,
) -> Result<Verdict, BadRequest> {
    if let Some(namespace) = value_of(&pairs, "namespace") {
        namespace.clone_into(&mut notice.namespace);
        let rollout = value_of(&pairs, "rollout");
        notice.asker = rollout.map(|rollout| Asker::rollout(namespace, rollout));
        if let Some(policy) = value_of(&pairs, "policy") {
            notice.about(namespace, policy);
        }
    }
    let mut asked = Parameters::read(pairs, KEYS)?;
    let namespace = asked.take("namespace").ok_or(missing("namespace"))?;
    let policy = asked.take("policy").ok_or(missing("policy"))?;
    let question = asked.question()?;
    let mut names = Vec::new();
    let query = question.of(&namespace, &policy, &mut names);
    let verdict = state.verdict(Form::Argo, &query);
    notice.judged(&query, &verdict);
    if !verdict.mistake {
        notice.answer = if verdict.passes() {
            Answer::Passes
        } else {
            Answer::Refuses
        };
    }
    Ok(verdict)
}

fn missing(name: &'static str) -> BadRequest {
    BadRequest::Missing {
        name,
        remedy: "ask GET /argo/v1/verdict?namespace=NAMESPACE&policy=NAME[&object=NAME][&condition=KEY]",
    }
}

impl Document {
    fn new(verdict: Verdict) -> Self {
        let deciding = verdict.deciding.as_ref();
        let circuit = deciding.map(|deciding| &deciding.circuit);
        let rule = deciding.and_then(Deciding::rule);
        Self {
            verdict: verdict.name.text(),
            state: verdict.state.name(),
            value: wire::value(rule.and_then(|rule| rule.value)),
            age_seconds: deciding.and_then(Deciding::age_seconds),
            streak: rule.map(|rule| rule.streak),
            trip_id: circuit
                .and_then(|circuit| circuit.trip)
                .map(|trip| trip.to_string()),
            tripped: verdict.tripped.as_ref().map(TrippedDocument::new),
            since: circuit
                .and_then(|circuit| circuit.since)
                .and_then(wire::time),
            mistake: verdict.mistake,
            circuits: CountsDocument::new(verdict.counts),
            reason: verdict.reason,
        }
    }

    fn of_mistake(reason: String) -> Self {
        Self {
            verdict: VerdictName::Unknown.text(),
            state: GateState::Unknown.name(),
            value: serde_json::Value::Null,
            age_seconds: None,
            streak: None,
            reason,
            trip_id: None,
            tripped: None,
            since: None,
            mistake: true,
            circuits: CountsDocument::new(Counts::default()),
        }
    }
}
