//! The gate: whether a rollout may go on, in the forms that release tools call.
//!
//! Each form asks the same [`verdict`] and differs only in how a caller names the policy
//! and in which status says what. No form answers 429 or 5xx for a closed gate: tools
//! retry those and throw the reason away.

mod argo;
mod flagger;
mod native;

use axum::Router;
use axum::extract::Query as UrlQuery;
use axum::extract::rejection::QueryRejection;

use crate::serve::bad_request::BadRequest;
use crate::serve::counters::Form;
use crate::serve::state::ServeState;
use crate::serve::verdict::{Moment, Query, Verdict, verdict};

/// The routes of all forms.
pub fn routes() -> Router<ServeState> {
    Router::new()
        .merge(native::routes())
        .merge(flagger::routes())
        .merge(argo::routes())
}

impl ServeState {
    /// The verdict as of now, counted.
    fn verdict(&self, form: Form, query: &Query<'_>) -> Verdict {
        let moment = Moment {
            now: self.clock.now().mono,
            beat: self.heartbeat.last(),
        };
        let verdict = verdict(&self.view.load(), moment, query);
        self.counters.answered(form, verdict.state);
        verdict
    }
}

/// A query string, or why it can't be read. Unknown parameters are refused: a misspelled
/// `object` would silently ask about all of them.
fn decoded<T>(
    query: Result<UrlQuery<T>, QueryRejection>,
    allowed: &'static str,
) -> Result<T, BadRequest> {
    match query {
        Ok(UrlQuery(query)) => Ok(query),
        Err(rejection) => Err(BadRequest::Query {
            problem: rejection.body_text(),
            allowed,
        }),
    }
}

/// A parameter that was given; an empty one, as an unset template argument leaves it, was not.
fn given(parameter: Option<&String>) -> Option<&str> {
    parameter
        .map(String::as_str)
        .filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
