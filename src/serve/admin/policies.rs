//! The policies, live, as JSON: `GET /v1/policies`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as UrlQuery, State};
use serde::{Deserialize, Serialize};

use crate::breaker::circuit::StateName;
use crate::serve::admin::page::{self, Page};
use crate::serve::bad_request::BadRequest;
use crate::serve::state::ServeState;
use crate::serve::wire;
use crate::wire::view::{PolicyView, View};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    namespace: Option<String>,
    limit: Option<usize>,
    r#continue: Option<String>,
}

/// One policy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    namespace: String,
    name: String,
    group: Option<String>,
    kind: Option<String>,
    mode: &'static str,
    accepted: bool,
    rejected: Option<String>,
    circuits: Circuits,
}

/// How many circuits it has, by what they enforce.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Circuits {
    total: usize,
    open: usize,
    half_open: usize,
}

type Entry<'a> = (&'a (Arc<str>, Arc<str>), &'a Arc<PolicyView>);

pub(super) async fn list(
    State(state): State<ServeState>,
    parameters: Result<UrlQuery<Parameters>, QueryRejection>,
) -> Result<Json<Page<Document>>, BadRequest> {
    let parameters = page::parameters(parameters, "`namespace`, `limit` and `continue`")?;
    let limit = page::limit(parameters.limit)?;
    let after = parameters
        .r#continue
        .as_deref()
        .map(page::place)
        .transpose()?;
    let view = state.view.load();
    Ok(Json(Page::of(
        matches(&view, parameters.namespace.as_deref(), after),
        limit,
        |((namespace, name), _)| format!("{namespace}/{name}"),
        Document::new,
    )))
}

/// The policies, by namespace and name.
fn matches<'a>(
    view: &'a View,
    namespace: Option<&'a str>,
    after: Option<[&'a str; 2]>,
) -> impl Iterator<Item = Entry<'a>> {
    let [first_namespace, first_name] = after.unwrap_or([namespace.unwrap_or_default(), ""]);
    view.policies
        .range((Arc::from(first_namespace), Arc::from(first_name))..)
        .take_while(move |((of, _), _)| namespace.is_none_or(|only| **of == *only))
        .filter(move |((of, name), _)| after.is_none_or(|after| [&**of, &**name] > after))
}

impl Document {
    fn new(((namespace, name), policy): Entry<'_>) -> Self {
        Self {
            namespace: namespace.to_string(),
            name: name.to_string(),
            group: policy.kind.as_ref().map(|kind| kind.group.to_string()),
            kind: policy.kind.as_ref().map(|kind| kind.kind.to_string()),
            mode: wire::mode(policy.observe),
            accepted: policy.rejected.is_none(),
            rejected: policy.rejected.as_deref().map(str::to_owned),
            circuits: Circuits::of(policy),
        }
    }
}

impl Circuits {
    fn of(policy: &PolicyView) -> Self {
        let mut circuits = Self::default();
        for circuit in policy.circuits.values() {
            circuits.total += 1;
            match circuit.state {
                StateName::Closed => {}
                StateName::Open => circuits.open += 1,
                StateName::HalfOpen => circuits.half_open += 1,
            }
        }
        circuits
    }
}
