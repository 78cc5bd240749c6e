//! The files: the page's HTML, style and scripts, out of the binary.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::serve::admin::index as endpoints;
use crate::serve::state::ServeState;
use crate::serve::wire;

/// Only what this port serves may be loaded and asked, and no text ever becomes a script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const INDEX: &str = include_str!("files/index.html");

/// Name, type and content.
const FILES: [(&str, &str, &str); 7] = [
    (
        "style.css",
        "text/css; charset=utf-8",
        include_str!("files/style.css"),
    ),
    ("icon.svg", "image/svg+xml", include_str!("files/icon.svg")),
    ("app.js", SCRIPT, include_str!("files/app.js")),
    ("dom.js", SCRIPT, include_str!("files/dom.js")),
    ("lists.js", SCRIPT, include_str!("files/lists.js")),
    ("circuit.js", SCRIPT, include_str!("files/circuit.js")),
    ("plot.js", SCRIPT, include_str!("files/plot.js")),
];

/// The page for whoever takes HTML, and what this port answers for everybody else.
pub(super) async fn index(State(state): State<ServeState>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/html")) {
        return sent(HTML, INDEX);
    }
    let vary = [(header::VARY, "accept")];
    (vary, endpoints::show(&state)).into_response()
}

pub(super) async fn file(Path(name): Path<String>) -> Response {
    let file = FILES.iter().find(|(known, ..)| *known == name);
    let Some((_, kind, content)) = file else {
        let message = format!("the page has no file {}; open GET /\n", wire::quoted(&name));
        return (StatusCode::NOT_FOUND, message).into_response();
    };
    sent(kind, content)
}

fn sent(kind: &'static str, content: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // It belongs to the binary that answers, which may be another one tomorrow.
        (header::CACHE_CONTROL, "no-cache"),
        (header::VARY, "accept"),
    ];
    (headers, content).into_response()
}
