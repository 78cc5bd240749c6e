//! The view: everything the gate and the admin port answer from, swapped atomically.
//!
//! The engine's loop writes it, requests read it without waiting. It is made of
//! persistent maps, so that an update costs what changed.

use std::sync::Arc;

use arc_swap::ArcSwap;
use imbl::{HashMap, OrdMap};

use crate::breaker::circuit::{Cause, Forced, StateName, TripId};
use crate::breaker::sample::{Class, Value};
use crate::breaker::time::{Mono, Wall};
use crate::wire::event::GroupKind;

/// The shared handle.
pub type SharedView = Arc<ArcSwap<View>>;

/// All policies, as of one moment.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// By namespace, then name.
    pub policies: OrdMap<(Arc<str>, Arc<str>), Arc<PolicyView>>,
    /// By contracted kind: since when its watch has not been confirmed; absent while it is.
    pub unconfirmed: HashMap<GroupKind, Mono>,
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
    /// The kind it judges, once its contract is known.
    pub kind: Option<GroupKind>,
    /// Whether the policy is in Mode Observe.
    pub observe: bool,
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
    /// The trip, while not Closed.
    pub trip: Option<TripId>,
    /// Its cause.
    pub cause: Option<Cause>,
    /// When the shadow state was entered, where known.
    pub since: Option<Wall>,
    /// When Open's wait ends.
    pub until: Option<Wall>,
    /// Percent of traffic admitted.
    pub admit_percent: u8,
    /// Latched by flapping.
    pub latched: bool,
    /// A trip is held back by the open cap.
    pub suppressed: bool,
    /// One per rule of the policy.
    pub rules: Vec<RuleView>,
}

/// What one rule last saw.
#[derive(Clone, Debug)]
pub struct RuleView {
    /// The condition's key.
    pub condition: Arc<str>,
    /// The value that stands.
    pub value: Option<Value>,
    /// How it was classed.
    pub class: Option<Class>,
    /// Bad samples in a row.
    pub streak: u32,
    /// When that observation arrived.
    pub arrived: Option<Mono>,
}
