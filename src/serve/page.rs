//! The page: what an engineer on call opens from the alert, and the JSON that it is drawn from.
//!
//! It is read-only, and served from the binary: nothing is fetched from elsewhere, and the policy that it is sent with
//! lets nothing else run. All that it shows comes from the documents of this folder, which anybody may ask.

mod circuit;
mod commands;
mod contracts;
mod events;
mod files;
mod mesh;
mod missing;
mod overview;
mod policy;
mod problems;
mod rule;
mod statuses;
mod trip;

use axum::Router;
use axum::routing::get;

use crate::serve::route::routed;
use crate::serve::state::ServeState;

/// The page and its documents.
pub fn routes() -> Router<ServeState> {
    let page = Router::new()
        .route("/", get(files::index))
        .route("/page/{file}", get(files::file));
    [
        ("/v1/overview", get(overview::show)),
        (
            "/v1/circuits/{namespace}/{policy}/{object}",
            get(circuit::show),
        ),
        ("/v1/trips/{id}", get(trip::show)),
        ("/v1/policies/{namespace}/{name}", get(policy::show)),
        ("/v1/contracts", get(contracts::list)),
        ("/v1/contracts/{name}", get(contracts::show)),
    ]
    .into_iter()
    .fold(page, |router, (path, methods)| {
        routed(router, path, methods)
    })
}

/// What is answered for as long as somebody listens.
pub fn waiting() -> Router<ServeState> {
    routed(Router::new(), "/v1/events", get(events::follow))
}

#[cfg(test)]
mod tests;
