//! The contracts: the schemas of their CRDs, how each differs from the one before, and what linting finds.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::task::spawn_blocking;

use crate::lint;
use crate::revision::compare::compare;
use crate::serve::admin::page::{self, Page};
use crate::serve::bad_request::BadRequest;
use crate::serve::page::missing::Missing;
use crate::serve::page::rule::plain;
use crate::serve::state::ServeState;
use crate::serve::wire;
use crate::wire::view::{ContractView, RevisionView};

/// The most findings of linting that are listed.
const MOST_FINDINGS: usize = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    limit: Option<usize>,
    r#continue: Option<String>,
}

/// One contract in the list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    name: String,
    kind: Option<String>,
    accepted: bool,
    rejected: Option<String>,
    revisions: usize,
    live: Option<u64>,
    bad: usize,
    conditions: Value,
}

/// One contract.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    contract: Summary,
    spec: Value,
    conditions: Value,
    /// What came of its queries of Prometheus, as its status says.
    queries: Value,
    incidents: Value,
    /// Newest first.
    revisions: Vec<Revision>,
    lint: Vec<Finding>,
    lint_omitted: usize,
}

/// One schema, and what changed with it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Revision {
    number: u64,
    seen_at: i64,
    bad: Option<String>,
    live: bool,
    /// What is different from the one before; `null` for the first that is kept.
    changes: Option<Vec<Change>>,
    omitted: usize,
}

#[derive(Debug, Serialize)]
struct Change {
    path: String,
    class: &'static str,
    message: String,
    reason: &'static str,
}

#[derive(Debug, Serialize)]
struct Finding {
    path: String,
    rule: String,
    why: &'static str,
    mend: &'static str,
}

pub(super) async fn list(
    State(state): State<ServeState>,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Result<Json<Page<Summary>>, BadRequest> {
    let parameters = page::parameters(parameters, "`limit` and `continue`")?;
    let limit = page::limit(parameters.limit)?;
    let view = state.view.load();
    let after = parameters.r#continue.unwrap_or_default();
    let contracts = view.contracts.iter().filter(|(name, _)| ***name > *after);
    Ok(Json(Page::of(
        contracts,
        limit,
        |(name, _)| name.to_string(),
        |(name, contract)| Summary::new(name, contract),
    )))
}

pub(super) async fn show(
    State(state): State<ServeState>,
    Path(name): Path<String>,
) -> Result<Json<Document>, Missing> {
    let missing = || Missing::Contract(wire::quoted(&name));
    let contract = state.view.load().contracts.get(name.as_str()).cloned();
    let contract = contract.ok_or_else(missing)?;
    let summary = Summary::new(&name, &contract);
    // A schema can have megabytes, and is compared here with each of its predecessors.
    let document = spawn_blocking(move || Document::new(summary, &contract)).await;
    document.map(Json).map_err(|_ended| missing())
}

impl Summary {
    fn new(name: &str, contract: &ContractView) -> Self {
        let status = contract.status.as_deref();
        let live = contract.revisions.iter().find(|revision| revision.live);
        let bad = contract
            .revisions
            .iter()
            .filter(|revision| revision.bad.is_some());
        Self {
            name: name.to_owned(),
            kind: contract.kind.as_ref().map(ToString::to_string),
            accepted: contract.rejected.is_none() && contract.kind.is_some(),
            rejected: contract.rejected.as_deref().map(str::to_owned),
            revisions: contract.revisions.len(),
            live: live.map(|live| live.number),
            bad: bad.count(),
            conditions: status.map_or(Value::Null, |status| plain(&status.conditions)),
        }
    }
}

impl Document {
    fn new(contract: Summary, view: &ContractView) -> Self {
        let before = std::iter::once(None).chain(view.revisions.iter().map(Some));
        let revisions = before.zip(&view.revisions);
        let mut revisions: Vec<_> = revisions
            .map(|(old, new)| Revision::new(old, new))
            .collect();
        revisions.reverse();
        let live = view.revisions.iter().find(|revision| revision.live);
        let report = live.map(|live| lint::lint(&live.spec)).unwrap_or_default();
        let found = report.findings.len() + report.omitted;
        let lint: Vec<_> = report
            .findings
            .iter()
            .take(MOST_FINDINGS)
            .map(Finding::new)
            .collect();
        Self {
            spec: view.spec.as_deref().map_or(Value::Null, plain),
            conditions: contract.conditions.clone(),
            queries: view
                .status
                .as_deref()
                .map_or_else(|| Vec::<()>::new().into(), |status| plain(&status.queries)),
            incidents: plain(&view.incidents),
            revisions,
            lint_omitted: found - lint.len(),
            lint,
            contract,
        }
    }
}

impl Revision {
    fn new(before: Option<&RevisionView>, revision: &RevisionView) -> Self {
        let changes = before.map(|before| compare(&before.spec, &revision.spec, None));
        let omitted = changes.as_ref().map_or(0, |changes| changes.omitted);
        let changes = changes.map(|changes| {
            let changes = changes.listed.into_iter().map(|change| Change {
                path: change.path,
                class: change.class.name(),
                message: change.message,
                reason: change.reason,
            });
            changes.collect()
        });
        Self {
            number: revision.number,
            seen_at: revision.seen_at.0,
            bad: revision.bad.as_deref().map(str::to_owned),
            live: revision.live,
            changes,
            omitted,
        }
    }
}

impl Finding {
    fn new(finding: &lint::Finding) -> Self {
        Self {
            path: finding.path.clone(),
            rule: finding.rule.to_string(),
            why: finding.rule.why(),
            mend: finding.rule.mend(),
        }
    }
}
