//! Flagger's form: one path per webhook type, because Flagger sends neither the type nor the name of its hook.
//!
//! A pass is any status up to 202 and not 204, anything else is none; 429 and 5xx are retried
//! and lose the body. So the answers are 200 and 403 with a one-line reason, which Flagger
//! shows in its events. The `rollback` hook is inverted: 200 there means "roll back now".
//! Source: fluxcd/flagger, `pkg/controller/webhook.go` and `scheduler_hooks.go`.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as UrlQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Deserialize;

use crate::serve::bad_request::BadRequest;
use crate::serve::counters::Form;
use crate::serve::gate::{decoded, given};
use crate::serve::state::ServeState;
use crate::serve::verdict::{GateState, Query};

pub(super) fn routes() -> Router<ServeState> {
    HOOKS.iter().fold(Router::new(), |router, &(path, role)| {
        let handler = move |state: State<ServeState>, parameters: Parsed, body: Bytes| async move {
            answer(role, &state, parameters, &body)
        };
        router.route(path, post(handler))
    })
}

/// The paths, one per hook type, and what Flagger makes of an answer there.
const HOOKS: [(&str, Role); 8] = [
    ("/flagger/v1/confirm-rollout", Role::Hold),
    ("/flagger/v1/pre-rollout", Role::Count),
    ("/flagger/v1/rollout", Role::Count),
    ("/flagger/v1/confirm-traffic-increase", Role::Hold),
    ("/flagger/v1/confirm-promotion", Role::Hold),
    ("/flagger/v1/rollback", Role::Rollback),
    ("/flagger/v1/post-rollout", Role::Notice),
    ("/flagger/v1/event", Role::Notice),
];

/// What Flagger does with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// A refusal waits, uncounted and without limit.
    Hold,
    /// A refusal is a failed check, and at the threshold a rollback.
    Count,
    /// A pass rolls back at once.
    Rollback,
    /// Nothing hangs on it.
    Notice,
}

/// What Flagger sends. Fields that it may add one day are ignored.
#[derive(Debug, Deserialize)]
struct Call {
    namespace: String,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    policy: Option<String>,
    object: Option<String>,
    condition: Option<String>,
}

/// A query string, or why it can't be read.
type Parsed = Result<UrlQuery<Parameters>, QueryRejection>;

fn answer(
    role: Role,
    state: &ServeState,
    parameters: Parsed,
    body: &Bytes,
) -> Result<Response, BadRequest> {
    let parameters = decoded(parameters, "`policy`, `object` and `condition`")?;
    let call: Call = serde_json::from_slice(body).map_err(BadRequest::Body)?;
    if role == Role::Notice {
        return Ok((StatusCode::OK, "noted\n").into_response());
    }
    let query = query(&call, &parameters)?;
    let verdict = state.verdict(Form::Flagger, &query);
    let status = if role.agrees(verdict.state) {
        StatusCode::OK
    } else {
        StatusCode::FORBIDDEN
    };
    Ok((status, format!("{}\n", verdict.reason)).into_response())
}

/// Metadata wins over the URL: it is nearer to the one hook. A policy without a namespace is in the canary's.
fn query<'a>(call: &'a Call, parameters: &'a Parameters) -> Result<Query<'a>, BadRequest> {
    let named = |key, parameter: &'a Option<String>| {
        let metadata = call
            .metadata
            .as_ref()
            .and_then(|metadata| metadata.get(key));
        given(metadata).or(given(parameter.as_ref()))
    };
    let policy = named("policy", &parameters.policy).ok_or(BadRequest::Missing {
        name: "metadata.policy",
        remedy: "set it on the Canary's webhook to the CircuitPolicy's name or namespace/name, \
                 or append ?policy= to the webhook's URL",
    })?;
    let (namespace, policy) = policy.split_once('/').unwrap_or((&call.namespace, policy));
    Ok(Query {
        namespace,
        policy,
        object: named("object", &parameters.object),
        condition: named("condition", &parameters.condition),
    })
}

impl Role {
    /// Whether a hook of this role is answered 200.
    ///
    /// Unknown holds without counting: the hooks that wait refuse, the hooks that count
    /// pass, and nothing is rolled back on missing data.
    const fn agrees(self, state: GateState) -> bool {
        match self {
            Self::Hold => matches!(state, GateState::Closed),
            Self::Count => matches!(state, GateState::Closed | GateState::Unknown),
            Self::Rollback => matches!(state, GateState::Open),
            Self::Notice => true,
        }
    }
}
