//! The view: everything the gate and the admin port answer from, swapped atomically.
//!
//! The engine's loop writes it, requests read it without waiting. It is made of
//! persistent maps, so that an update costs what changed.

use std::sync::Arc;

use arc_swap::ArcSwap;
use imbl::{HashMap, HashSet, OrdMap};

use crate::breaker::circuit::{Cause, Forced, StateName, TripId};
use crate::breaker::sample::{Class, Value};
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
#[derive(Clone, Debug)]
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
    /// Its circuits by object name.
    pub circuits: OrdMap<Arc<str>, Arc<CircuitView>>,
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
    /// The trip, while not Closed.
    pub trip: Option<TripId>,
    /// Its cause.
    pub cause: Option<Cause>,
    /// The last trip, of a Closed circuit too, as far back as is known.
    pub tripped: Option<Tripped>,
    /// When the shadow state was entered, where known.
    pub since: Option<Wall>,
    /// When Open's wait ends, or `HalfOpen`'s timeout.
    pub until: Option<Wall>,
    /// How far a `HalfOpen` circuit has come.
    pub probe: Option<Probe>,
    /// Percent of traffic admitted.
    pub admit_percent: u8,
    /// Latched by flapping.
    pub latched: bool,
    /// A trip is held back by the open cap.
    pub suppressed: bool,
    /// One per rule of the policy.
    pub rules: Vec<RuleView>,
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
#[derive(Clone, Debug)]
pub struct RuleView {
    /// The condition's key.
    pub condition: Arc<str>,
    /// The value that stands.
    pub value: Option<Value>,
    /// How what stands now is classed; `None` before the first report.
    pub class: Option<Class>,
    /// Bad samples in a row.
    pub streak: u32,
    /// When that observation arrived.
    pub arrived: Option<Mono>,
}
