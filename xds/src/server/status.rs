//! The statuses: what a client is told when its stream is not served, or no longer, and what is counted of it.

use std::time::Duration;

use tonic::body::Body;
use tonic::codegen::http;
use tonic::{Code, Status};

use super::admission::Full;
use super::counts::Counters;
use crate::protocol::Refusal;

/// A stream that is turned away.
pub(super) fn full(full: Full) -> Status {
    match full {
        Full::Places { .. } => Status::resource_exhausted(full.to_string()),
        Full::Turns { .. } => Status::unavailable(full.to_string()),
    }
}

/// A request that can't be served.
pub(super) fn refused(refusal: &Refusal, counters: &Counters) -> Status {
    let text = refusal.to_string();
    // That nothing is assigned to a node is logged where it is known whose connection it is.
    if !matches!(refusal, Refusal::UnknownNode { .. }) {
        tracing::warn!(reason = text, "xDS stream refused");
    }
    match refusal {
        Refusal::MissingNode
        | Refusal::LongNode { .. }
        | Refusal::MissingTypeUrl
        | Refusal::WrongType { .. } => Status::invalid_argument(text),
        Refusal::UnknownNode { .. } => {
            counters.nodes_unknown.inc();
            Status::permission_denied(text)
        }
        Refusal::TooManyNames { .. } => {
            counters.names_exceeded.inc();
            Status::resource_exhausted(text)
        }
        Refusal::TooManyTypes { .. } => {
            counters.types_exceeded.inc();
            Status::resource_exhausted(text)
        }
        Refusal::NameTooLong { .. } => {
            counters.name_bytes_exceeded.inc();
            Status::resource_exhausted(text)
        }
    }
}

/// A request that could not be read.
pub(super) fn unread(status: Status, limit: usize, counters: &Counters) -> Status {
    // It is what the transport says of a message over its limit, which it knows no name of; the latter, where it is compressed.
    if !matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted) {
        return status;
    }
    counters.requests_too_large.inc();
    Status::resource_exhausted(format!(
        "a request is over the limit of {limit} bytes (`max_request_bytes`); subscribe to fewer names, or raise the limit"
    ))
}

/// A stream that does not say whose it is.
pub(super) fn silent(limit: Duration, counters: &Counters) -> Status {
    counters.streams_silent.inc();
    Status::deadline_exceeded(format!(
        "no request came within {limit:?} (`first_request`); reconnect when there is something to ask for"
    ))
}

/// A stream of a server that shuts down.
pub(super) fn shutting_down() -> Status {
    Status::unavailable("the xDS server is shutting down; reconnect")
}

/// What a client is told that does not speak gRPC.
const NOT_GRPC: &str = "This port serves xDS over gRPC only: HTTP/2 with the content type `application/grpc`.\n\
In Envoy, set `api_type` of the config source to `GRPC` or `DELTA_GRPC` (not `REST`), and give its cluster HTTP/2.\n";

/// The answer to a request that is no gRPC.
pub(super) fn not_grpc() -> http::Response<Body> {
    let mut response = http::Response::new(Body::new(NOT_GRPC.to_owned()));
    *response.status_mut() = http::StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let text = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, text);
    response
}

/// The trailers that end a stream.
pub(super) fn trailers(end: &Status) -> http::HeaderMap {
    let mut trailers = http::HeaderMap::new();
    if let Err(unwritable) = end.add_header(&mut trailers) {
        trailers.clear();
        // One whose text can be written, as that of the failure can.
        let _: Result<(), Status> = unwritable.add_header(&mut trailers);
    }
    trailers
}

/// A path that is none of ours.
pub(super) fn unknown(path: &str) -> Status {
    Status::unimplemented(format!(
        "no discovery service has the method {path}; use the Stream and Delta methods of the v3 services"
    ))
}
