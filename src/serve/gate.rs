//! The gate: whether a rollout may go on, in the forms that release tools call.
//!
//! Each form asks for the same [verdict](crate::serve::verdict) and differs only in how a caller names the policy
//! and in which status says what. No form answers 429 or 5xx for a closed gate: tools
//! retry those and throw the reason away.

mod argo;
mod asked;
mod counts;
mod flagger;
mod native;
mod question;
mod wait;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;

use crate::serve::state::ServeState;

/// The routes that release tools poll. Flagger and Argo Rollouts make a new client for each call and would leave
/// its connection idle, so each is closed with its answer.
pub fn polled() -> Router<ServeState> {
    Router::new()
        .merge(flagger::routes())
        .merge(argo::routes())
        .layer(map_response(closed))
}

/// The routes of our own form, on which a caller may wait.
pub fn waiting() -> Router<ServeState> {
    native::routes()
}

async fn closed(mut response: Response) -> Response {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

#[cfg(test)]
mod tests;
