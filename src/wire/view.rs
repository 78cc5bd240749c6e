//! The view: everything the gate and the admin port answer from, swapped atomically.
//!
//! The engine's loop writes it, requests read it without waiting. It is made of
//! persistent maps, so that an update costs what changed.

use std::ops::Deref;
use std::sync::Arc;

use arc_swap::ArcSwap;
use fusegate_crds::{
    CircuitPolicySpec, CircuitPolicyStatus, ConditionContractSpec, ConditionContractStatus,
    IncidentRecord,
};
use imbl::{HashMap, HashSet, OrdMap};
use serde_json::Value as Json;

use crate::breaker::circuit::{Cause, Forced, StateName, TripId};
use crate::breaker::config::Config;
use crate::breaker::sample::{Class, Value};
use crate::breaker::streak::Streak;
use crate::breaker::time::{Mono, Wall};
use crate::wire::event::GroupKind;
use crate::wire::labels::Labels;

/// The shared handle.
pub type SharedView = Arc<ArcSwap<View>>;

/// All policies, as of one moment.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// By namespace, then name.
    pub policies: OrdMap<(Arc<str>, Arc<str>), Arc<PolicyView>>,
    /// By name.
    pub contracts: OrdMap<Arc<str>, Arc<ContractView>>,
    /// By contracted kind: since when its watch has not been confirmed; absent while it is.
    pub unconfirmed: HashMap<GroupKind, Mono>,
    /// Contracted kinds whose objects have been listed once: what is missing of them does not exist.
    pub listed: HashSet<GroupKind>,
    /// Whether contracts, policies and overrides have been listed once.
    pub synced: bool,
    /// Whether this replica holds the lease.
    pub leads: bool,
    /// Objects held, over all kinds.
    pub objects: usize,
}

/// One policy and its circuits.
#[derive(Clone, Debug, Default)]
pub struct PolicyView {
    /// Its uid.
    pub uid: Arc<str>,
    /// The kind it judges, once its contract is known.
    pub kind: Option<GroupKind>,
    /// Whether the policy is in Mode Observe.
    pub observe: bool,
    /// Whether its gate passes what there is no evidence of.
    pub passes_unknown: bool,
    /// Why it is not accepted, if so.
    pub rejected: Option<Box<str>>,
    /// What its circuits run, once it is accepted.
    pub config: Option<Arc<Config>>,
    /// For each rule, what stands behind its numbers when people read them.
    pub units: Arc<[&'static str]>,
    /// The layer that it publishes in.
    pub layer: Option<Arc<str>>,
    /// As it was written.
    pub spec: Option<Arc<CircuitPolicySpec>>,
    /// As it was last told.
    pub status: Option<Arc<CircuitPolicyStatus>>,
    /// Its circuits by object name.
    pub circuits: OrdMap<Arc<str>, Arc<CircuitView>>,
}

/// One contract.
#[derive(Clone, Debug)]
pub struct ContractView {
    /// The kind that it is of, once it is accepted.
    pub kind: Option<GroupKind>,
    /// Why it is not accepted, if so.
    pub rejected: Option<Box<str>>,
    /// As it was last accepted.
    pub spec: Option<Arc<ConditionContractSpec>>,
    /// As it was last told.
    pub status: Option<Arc<ConditionContractStatus>>,
    /// The rollbacks of its CRD, as they are recorded.
    pub incidents: Vec<IncidentRecord>,
    /// The schemas that its CRD has had, oldest first.
    pub revisions: Vec<RevisionView>,
}

/// One schema of a CRD.
#[derive(Clone, Debug)]
pub struct RevisionView {
    /// Its number.
    pub number: u64,
    /// When it was last made live.
    pub seen_at: Wall,
    /// The trip that marked it bad.
    pub bad: Option<Box<str>>,
    /// Whether it is the live one.
    pub live: bool,
    /// The CRD's `spec`.
    pub spec: Arc<Json>,
}

/// A circuit that changed, as it is now.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The namespace and name of its policy.
    pub policy: (Arc<str>, Arc<str>),
    /// Its object.
    pub object: Arc<str>,
    /// The circuit.
    pub circuit: Arc<CircuitView>,
}

/// One circuit.
#[derive(Clone, Debug)]
pub struct CircuitView {
    /// The object's uid.
    pub uid: Arc<str>,
    /// What is enforced.
    pub state: StateName,
    /// What the evidence alone says; differs from `state` under an override.
    pub shadow: StateName,
    /// The override in force.
    pub forced: Option<Forced>,
    /// The object's labels.
    pub labels: Labels,
    /// What few circuits have, which reads as if it stood here.
    pub outage: Option<Box<Outage>>,
    /// When the shadow state was entered, where known.
    pub since: Option<Wall>,
    /// Percent of traffic admitted.
    pub admit_percent: u8,
    /// One Bad sample short of a trip, or due and held back.
    pub armed: bool,
    /// Latched by flapping.
    pub latched: bool,
    /// A trip is held back by the open cap.
    pub suppressed: bool,
    /// What the policy asks.
    pub config: Arc<Config>,
    /// One per rule of the policy, once there has been a report.
    pub streaks: Arc<[Streak]>,
}

/// What is to be said of a circuit that is not Closed, or was not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outage {
    /// The trip, while not Closed.
    pub trip: Option<TripId>,
    /// Its cause.
    pub cause: Option<Cause>,
    /// The last trip, of a Closed circuit too, as far back as is known.
    pub tripped: Option<Box<Tripped>>,
    /// When Open's wait ends, or `HalfOpen`'s timeout.
    pub until: Option<Wall>,
    /// How far a `HalfOpen` circuit has come.
    pub probe: Option<Probe>,
    /// The policy whose outage explains this one, as `namespace/name`, while it does.
    pub root: Option<Box<str>>,
}

/// A trip: when it was, and what broke.
#[derive(Clone, Debug, PartialEq)]
pub struct Tripped {
    /// Its id.
    pub id: TripId,
    /// When.
    pub at: Wall,
    /// The condition whose rule broke, where the cause is a breach.
    pub condition: Option<Arc<str>>,
    /// The value that broke it.
    pub value: Option<Value>,
}

/// How far a `HalfOpen` circuit has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Good samples in a row in this step.
    pub successes: u32,
    /// How many a step takes.
    pub needed: u32,
}

/// What one rule last saw.
#[derive(Clone, Copy, Debug)]
pub struct RuleView<'a> {
    /// Which rule of the policy.
    pub index: usize,
    /// The condition's key.
    pub condition: &'a Arc<str>,
    /// The value that stands.
    pub value: Option<&'a Value>,
    /// How what stands now is classed; `None` before the first report.
    pub class: Option<Class>,
    /// Bad samples in a row.
    pub streak: u32,
    /// When that observation arrived.
    pub arrived: Option<Mono>,
}

static NO_OUTAGE: Outage = Outage {
    trip: None,
    cause: None,
    tripped: None,
    until: None,
    probe: None,
    root: None,
};

impl Outage {
    /// What is kept of it: nothing, where there is nothing to say.
    #[must_use]
    pub fn kept(self) -> Option<Box<Self>> {
        (self != NO_OUTAGE).then(|| Box::new(self))
    }
}

impl Deref for CircuitView {
    type Target = Outage;

    fn deref(&self) -> &Outage {
        self.outage.as_deref().unwrap_or(&NO_OUTAGE)
    }
}

impl CircuitView {
    /// What each rule of the policy last saw.
    pub fn rules(&self) -> impl DoubleEndedIterator<Item = RuleView<'_>> {
        let rules = self.config.rules.iter().enumerate();
        rules.map(|(index, rule)| {
            let streak = self.streaks.get(index);
            let last = streak.and_then(|streak| streak.last.as_ref());
            RuleView {
                index,
                condition: &rule.condition,
                value: last.and_then(|last| last.value.as_ref()),
                class: last.map(|last| last.class),
                streak: streak.map_or(0, Streak::count),
                arrived: last.map(|last| last.arrived),
            }
        })
    }
}
