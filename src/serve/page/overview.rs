//! The overview: how all circuits stand, and what is wrong with the installation, for `GET /v1/overview`.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::breaker::circuit::StateName;
use crate::serve::admin::circuits::{self, Row, Standing};
use crate::serve::page::problems::{self, Problem};
use crate::serve::proxies::Query;
use crate::serve::state::ServeState;
use crate::serve::wire;
use crate::wire::view::{CircuitView, PolicyView, View};

/// The most policies and circuits that are listed here; their own lists have pages.
const LISTED: usize = 200;

/// The most proxies that are counted.
const MOST_PROXIES: usize = 10_000;

/// Everything at a glance.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    now: i64,
    installation: InstallationDocument,
    problems: Vec<Problem>,
    circuits: Counts,
    /// Those with circuits that are not at rest first.
    policies: Vec<PolicyDocument>,
    policies_total: usize,
    /// Circuits that are not at rest, the worst first.
    troubled: Vec<circuits::Document>,
    proxies: Proxies,
    feeds: Vec<Feed>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct InstallationDocument {
    cluster: String,
    namespace: String,
    replica: String,
    version: &'static str,
    directory: Option<String>,
    alertmanagers: usize,
    audit: String,
    synced: bool,
    leads: bool,
    objects: usize,
}

/// How many circuits stand so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counts {
    open: usize,
    latched: usize,
    suppressed: usize,
    half_open: usize,
    armed: usize,
    overridden: usize,
    closed: usize,
    total: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PolicyDocument {
    namespace: String,
    name: String,
    kind: Option<String>,
    mode: &'static str,
    accepted: bool,
    circuits: Counts,
    /// Proxies that subscribe to its layer, and those that hold it as published.
    proxies: Option<i64>,
    acked: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Proxies {
    connected: usize,
    behind: usize,
    refusing: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Feed {
    kind: String,
    listed: bool,
    unconfirmed_seconds: Option<u64>,
}

pub(super) async fn show(State(state): State<ServeState>) -> Json<Document> {
    let view = state.view.load_full();
    let now = state.clock.now();
    let mut policies: Vec<_> = view.policies.iter().map(PolicyDocument::new).collect();
    let mut circuits = Counts::default();
    for policy in &policies {
        circuits.add(policy.circuits);
    }
    policies.sort_by_key(|policy| Reverse(policy.circuits.trouble()));
    let policies_total = policies.len();
    policies.truncate(LISTED);
    let installation = &state.installation;
    Json(Document {
        now: now.wall.0,
        installation: InstallationDocument {
            cluster: installation.cluster.clone(),
            namespace: installation.namespace.clone(),
            replica: installation.replica.clone(),
            version: env!("CARGO_PKG_VERSION"),
            directory: installation.directory.clone(),
            alertmanagers: installation.alertmanagers,
            audit: installation.audit.clone(),
            synced: view.synced,
            leads: view.leads,
            objects: view.objects,
        },
        problems: problems::of(&state, &view, now.mono),
        circuits,
        policies,
        policies_total,
        troubled: troubled(&view)
            .into_iter()
            .map(|row| row.document(now.mono))
            .collect(),
        proxies: Proxies::of(&state),
        feeds: feeds(&state, &view),
    })
}

/// Circuits that are not at rest, the worst first.
fn troubled(view: &View) -> Vec<Row<'_>> {
    let rows = view
        .policies
        .iter()
        .flat_map(|((namespace, name), policy)| {
            policy.circuits.iter().map(move |(object, circuit)| Row {
                namespace,
                name,
                policy,
                object,
                circuit,
            })
        });
    let mut rows: Vec<_> = rows
        .filter(|row| Standing::Troubled.is_of(row.circuit))
        .collect();
    rows.sort_by_key(|row| rank(row.circuit));
    rows.truncate(LISTED);
    rows
}

/// Where a circuit comes in the order of what wants looking at.
fn rank(circuit: &CircuitView) -> u8 {
    match circuit.state {
        _ if circuit.latched => 0,
        StateName::Open => 1,
        _ if circuit.suppressed => 2,
        StateName::HalfOpen => 3,
        StateName::Closed if circuit.armed => 4,
        StateName::Closed => 5,
    }
}

fn feeds(state: &ServeState, view: &View) -> Vec<Feed> {
    let now = state.clock.now().mono;
    let kinds = view
        .contracts
        .values()
        .filter_map(|contract| contract.kind.as_ref());
    let feeds = kinds.map(|kind| Feed {
        kind: kind.to_string(),
        listed: view.listed.contains(kind),
        unconfirmed_seconds: view
            .unconfirmed
            .get(kind)
            .map(|since| wire::seconds(now.since(*since))),
    });
    feeds.collect()
}

impl Counts {
    fn of(policy: &PolicyView) -> Self {
        let mut counts = Self::default();
        for circuit in policy.circuits.values() {
            let is = |standing: Standing| usize::from(standing.is_of(circuit));
            counts.add(Self {
                open: is(Standing::State(StateName::Open)),
                half_open: is(Standing::State(StateName::HalfOpen)),
                closed: is(Standing::State(StateName::Closed)),
                armed: is(Standing::Armed),
                latched: is(Standing::Latched),
                suppressed: is(Standing::Suppressed),
                overridden: is(Standing::Overridden),
                total: 1,
            });
        }
        counts
    }

    fn add(&mut self, other: Self) {
        self.open += other.open;
        self.half_open += other.half_open;
        self.closed += other.closed;
        self.armed += other.armed;
        self.latched += other.latched;
        self.suppressed += other.suppressed;
        self.overridden += other.overridden;
        self.total += other.total;
    }

    /// The same without those at rest, for an order by how much wants looking at.
    fn trouble(self) -> Self {
        Self {
            closed: 0,
            total: 0,
            ..self
        }
    }
}

impl PolicyDocument {
    pub(super) fn new(
        ((namespace, name), policy): (&(Arc<str>, Arc<str>), &Arc<PolicyView>),
    ) -> Self {
        let status = policy.status.as_deref();
        Self {
            namespace: namespace.to_string(),
            name: name.to_string(),
            kind: policy.kind.as_ref().map(ToString::to_string),
            mode: wire::mode(policy.observe),
            accepted: policy.rejected.is_none(),
            circuits: Counts::of(policy),
            proxies: status.and_then(|status| status.proxies),
            acked: status.and_then(|status| status.acked),
        }
    }
}

impl Proxies {
    fn of(state: &ServeState) -> Self {
        let query = Query {
            most: MOST_PROXIES,
            ..Query::default()
        };
        let found = (state.proxies)(&query);
        let any = |is: fn(&crate::serve::proxies::Type) -> bool| {
            found
                .iter()
                .filter(|proxy| proxy.types.iter().any(is))
                .count()
        };
        Self {
            connected: found.len(),
            behind: any(|of_type| of_type.behind.names > 0),
            refusing: any(|of_type| of_type.nacked.is_some() && of_type.behind.names > 0),
        }
    }
}
