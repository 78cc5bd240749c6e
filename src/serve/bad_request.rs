//! A bad request: what a caller got wrong, said so that the caller can mend it.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// Why a request was not understood. All of it is the caller's to mend, so nothing is kept back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadRequest {
    /// A name that must be given is not.
    #[error("`{name}` is missing: {remedy}")]
    Missing {
        /// The parameter or field.
        name: &'static str,
        /// How to give it.
        remedy: &'static str,
    },
    /// A name that nothing answers to.
    #[error("{name} can't be asked: {meant}")]
    Unknown {
        /// The parameter or key of metadata, quoted and shortened.
        name: String,
        /// What was probably meant, or else what may be asked.
        meant: String,
    },
    /// The query string does not decode.
    #[error("the query can't be read: {problem}; parameters are {allowed}")]
    Query {
        /// The decoder's words.
        problem: String,
        /// What may be asked.
        allowed: &'static str,
    },
    /// The query string of a gate does not decode.
    #[error("the query can't be read: {0}; encode each value for a URL")]
    Encoding(String),
    /// A parameter's value is out of range.
    #[error("`{name}` can't be {value}: {remedy}")]
    Value {
        /// The parameter.
        name: &'static str,
        /// What was given, quoted and shortened.
        value: String,
        /// What may be given.
        remedy: &'static str,
    },
    /// The body is larger than any that Flagger sends.
    #[error(
        "the body can't be read: it has more than 64 KiB, or ended early; Flagger sends less than 2 KiB"
    )]
    TooLarge,
    /// The body is not what Flagger sends.
    #[error(
        "the body can't be read: {0}; Flagger sends \
         {{\"name\", \"namespace\", \"phase\", \"checksum\", \"metadata\": {{string: string}}}}"
    )]
    Body(#[source] serde_json::Error),
}

impl IntoResponse for BadRequest {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, format!("{self}\n")).into_response()
    }
}
