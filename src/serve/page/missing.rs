//! What is missing: a name that nothing answers to, and where to look for it.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// Why there is no such document.
#[derive(Debug, thiserror::Error)]
pub(super) enum Missing {
    /// A circuit.
    #[error(
        "there is no circuit of {object} by policy {policy}; GET /v1/circuits lists those that there are"
    )]
    Circuit { policy: String, object: String },
    /// A policy.
    #[error("there is no policy {0}; GET /v1/policies lists those that there are")]
    Policy(String),
    /// A contract.
    #[error("there is no contract {0}; GET /v1/contracts lists those that there are")]
    Contract(String),
    /// A trip.
    #[error(
        "trip {0} is not known here: it is no circuit's last trip, and its story is not in memory; \
         look for its id in the audit log of each replica, or give `fusegate replay` its recording"
    )]
    Trip(String),
}

impl IntoResponse for Missing {
    fn into_response(self) -> Response {
        (StatusCode::NOT_FOUND, format!("{self}\n")).into_response()
    }
}
