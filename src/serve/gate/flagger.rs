//! Flagger's form: one path per webhook type, because Flagger sends neither the type nor the name of its hook.
//!
//! A pass is any status up to 202 and not 204, anything else is none; 429 and 5xx are retried
//! and lose the body. So the answers are 200 and 403 with a one-line reason, which Flagger
//! shows in its events, and 400 where the Canary is misconfigured. The `rollback` hook is
//! inverted: 200 there means "roll back now".
//! Source: fluxcd/flagger, `pkg/controller/webhook.go` and `scheduler_hooks.go`.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::routing::post;
use serde::Deserialize;

use crate::serve::bad_request::BadRequest;
use crate::serve::counters::Form;
use crate::serve::gate::question::{Decoded, Parameters, pairs, value_of};
use crate::serve::notice::{Answer, Asker, Notice};
use crate::serve::route::routed;
use crate::serve::state::ServeState;
use crate::serve::verdict::GateState;

pub(super) fn routes() -> Router<ServeState> {
    HOOKS.iter().fold(Router::new(), |router, hook| {
        let handler = move |state: State<ServeState>, query: Decoded, body: Body| async move {
            hook.answer(&state, query, body)
        };
        routed(router, hook.path, post(handler))
    })
}

/// One type of webhook.
struct Hook {
    path: &'static str,
    role: Role,
}

/// The paths, one per hook type, and what Flagger makes of an answer there.
const HOOKS: [Hook; 8] = [
    Hook::new("/flagger/v1/confirm-rollout", Role::Hold),
    Hook::new("/flagger/v1/pre-rollout", Role::Count),
    Hook::new("/flagger/v1/rollout", Role::Count),
    Hook::new("/flagger/v1/confirm-traffic-increase", Role::Hold),
    Hook::new("/flagger/v1/confirm-promotion", Role::Hold),
    Hook::new("/flagger/v1/rollback", Role::Rollback),
    Hook::new("/flagger/v1/post-rollout", Role::Note),
    Hook::new("/flagger/v1/event", Role::Event),
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
    Note,
    /// The same, and Flagger adds keys of its own to the metadata.
    Event,
}

/// What Flagger sends. Fields that it may add one day are ignored.
#[derive(Debug, Deserialize)]
struct Call {
    #[serde(default)]
    name: String,
    namespace: String,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
}

type Body = Result<Bytes, BytesRejection>;

/// What may be asked, in the metadata and in the URL.
const KEYS: &[&str] = &["policy", "object", "objects", "selector", "condition"];

/// The same at `event`, with what Flagger adds there.
const EVENT_KEYS: &[&str] = &[
    "policy",
    "object",
    "objects",
    "selector",
    "condition",
    "eventMessage",
    "eventType",
    "timestamp",
];

impl Hook {
    const fn new(path: &'static str, role: Role) -> Self {
        Self { path, role }
    }

    /// The type, as Flagger calls it.
    fn name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    fn answer(&self, state: &ServeState, query: Decoded, body: Body) -> (StatusCode, String) {
        let mut notice = Notice::new(Form::Flagger, self.name());
        let status = self.judge(state, query, body, &mut notice);
        let status = status.unwrap_or_else(|mistake| notice.mistaken(&mistake));
        let reason = notice.reason.clone();
        if self.role != Role::Event {
            state.notices.tell(notice);
        }
        (status, reason)
    }

    fn judge(
        &self,
        state: &ServeState,
        query: Decoded,
        body: Body,
        notice: &mut Notice,
    ) -> Result<StatusCode, BadRequest> {
        let body = body.map_err(|_| BadRequest::TooLarge)?;
        let call: Call = serde_json::from_slice(&body).map_err(BadRequest::Body)?;
        notice.namespace.clone_from(&call.namespace);
        notice.asker = Some(Asker::canary(&call.namespace, &call.name));
        // Metadata wins over the URL: it is nearer to the one hook.
        let pairs = pairs(query)?.into_iter();
        let pairs = pairs.chain(call.metadata.into_iter().flatten());
        let pairs: Vec<(String, String)> = pairs.collect();
        if let Some(policy) = value_of(&pairs, "policy") {
            let (namespace, policy) = located(policy, &call.namespace);
            notice.about(namespace, policy);
        }
        let mut parameters = Parameters::read(pairs, self.role.keys())?;
        if let Role::Note | Role::Event = self.role {
            "noted".clone_into(&mut notice.reason);
            return Ok(StatusCode::OK);
        }
        let policy = parameters.take("policy").ok_or(BadRequest::Missing {
            name: "metadata.policy",
            remedy: "set it on the Canary's webhook to the CircuitPolicy's name or namespace/name, \
                     or append ?policy= to the webhook's URL",
        })?;
        let (namespace, policy) = located(&policy, &call.namespace);
        let question = parameters.question()?;
        let mut names = Vec::new();
        let query = question.of(namespace, policy, &mut names);
        let verdict = state.verdict(Form::Flagger, &query);
        notice.judged(&query, &verdict);
        if verdict.mistake {
            return Ok(StatusCode::BAD_REQUEST);
        }
        let agrees = self.role.agrees(verdict.state, verdict.passes());
        notice.answer = match (self.role, agrees) {
            (Role::Rollback, true) => Answer::RollsBack,
            (Role::Rollback, false) | (_, true) => Answer::Passes,
            (_, false) => Answer::Refuses,
        };
        Ok(if agrees {
            StatusCode::OK
        } else {
            StatusCode::FORBIDDEN
        })
    }
}

/// The namespace and the name of a policy; one without a namespace is in the Canary's.
fn located<'a>(policy: &'a str, canarys: &'a str) -> (&'a str, &'a str) {
    policy.split_once('/').unwrap_or((canarys, policy))
}

impl Role {
    const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Event => EVENT_KEYS,
            _ => KEYS,
        }
    }

    /// Whether a hook of this role is answered 200.
    ///
    /// Only Open counts: what recovers is not to be rolled back, and what is not known holds
    /// without counting, by the hooks that wait.
    const fn agrees(self, state: GateState, passes: bool) -> bool {
        match self {
            Self::Hold => passes,
            Self::Count => !matches!(state, GateState::Open),
            Self::Rollback => matches!(state, GateState::Open),
            Self::Note | Self::Event => true,
        }
    }
}
