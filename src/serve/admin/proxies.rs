//! The proxies connected to this replica, live, as JSON: `GET /v1/proxies`.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as UrlQuery, State};
use serde::Deserialize;

use crate::serve::admin::page::{self, Page};
use crate::serve::bad_request::BadRequest;
use crate::serve::proxies::{Proxy, Query};
use crate::serve::state::ServeState;
use crate::serve::wire;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    node: Option<String>,
    cluster: Option<String>,
    layer: Option<String>,
    behind: Option<bool>,
    limit: Option<usize>,
    r#continue: Option<String>,
}

pub(super) async fn list(
    State(state): State<ServeState>,
    parameters: Result<UrlQuery<Parameters>, QueryRejection>,
) -> Result<Json<Page<Proxy>>, BadRequest> {
    let allowed = "`node`, `cluster`, `layer`, `behind`, `limit` and `continue`";
    let parameters = page::parameters(parameters, allowed)?;
    let limit = page::limit(parameters.limit)?;
    let query = Query {
        after: parameters.r#continue.as_deref().map_or(Ok(0), after)?,
        node: parameters.node,
        cluster: parameters.cluster,
        layer: parameters.layer,
        behind: parameters.behind.unwrap_or(false),
        // One more than a page, which tells whether there is another.
        most: limit + 1,
    };
    let found = (state.proxies)(&query);
    Ok(Json(Page::of(
        found.into_iter(),
        limit,
        |proxy| proxy.stream.to_string(),
        std::convert::identity,
    )))
}

/// The stream after which the page begins.
fn after(token: &str) -> Result<u64, BadRequest> {
    token.parse().map_err(|_| BadRequest::Value {
        name: "continue",
        value: wire::quoted(token),
        remedy: "give the `continue` of the page before, unchanged, or leave it out",
    })
}
