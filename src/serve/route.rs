//! A route: a path that answers with and without a slash behind it.

use axum::Router;
use axum::routing::MethodRouter;

use crate::serve::state::ServeState;

/// Adds a route. People write the slash, tools append it.
pub(super) fn routed(
    router: Router<ServeState>,
    path: &str,
    methods: MethodRouter<ServeState>,
) -> Router<ServeState> {
    router
        .route(path, methods.clone())
        .route(&format!("{path}/"), methods)
}
