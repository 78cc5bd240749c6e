//! A verdict: what a gate may say about one policy, read off one view at one moment.
//!
//! It is pure and total: whatever is asked of whatever view, there is an answer, and
//! missing data is an answer of its own (Unknown), never a guess. Over several circuits
//! it is their AND.

mod circuit;
mod reason;

use std::sync::Arc;

use crate::breaker::circuit::TripId;
use crate::breaker::time::{Mono, Span};
use crate::serve::state::STALLED_AFTER;
use crate::serve::verdict::circuit::Judged;
use crate::serve::wire;
use crate::wire::view::{CircuitView, PolicyView, RuleView, View};

/// A watch that has not been confirmed for this long is not believed (`docs/architecture.md`, Gate).
pub const UNCONFIRMED_AFTER: Span = Span::from_secs(30);

/// The most trip ids that a verdict lists; a rollout that meets more has one answer all the same.
pub const MAX_TRIPS: usize = 16;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// The policy's namespace.
    pub namespace: &'a str,
    /// The policy's name.
    pub policy: &'a str,
    /// One object; all of the policy's objects, when absent.
    pub object: Option<&'a str>,
    /// The condition whose value is reported; the most telling one, when absent.
    /// The state remains the circuit's, which has one for all its conditions.
    pub condition: Option<&'a str>,
}

/// The moment at which the view is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Now.
    pub now: Mono,
    /// When the engine, which keeps the view, last came round.
    pub beat: Mono,
}

/// What a gate can be. Ordered by how much it refuses, so that the AND of several is the
/// greatest: Open refuses everything and may roll back, HalfOpen refuses everything,
/// Unknown only holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GateState {
    /// Passes.
    Closed,
    /// There is no evidence to pass on, nor any to fail on.
    Unknown,
    /// Recovering: nothing new is let in, and nothing is rolled back.
    HalfOpen,
    /// Tripped.
    Open,
}

/// The verdict in one word, in the sense of Argo Rollouts: unknown is inconclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word {
    /// Closed.
    Pass,
    /// Open.
    Fail,
    /// Hold: neither go on nor roll back. Unknown and HalfOpen.
    Unknown,
}

/// The answer.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What is enforced.
    pub state: GateState,
    /// What the evidence alone says, were there no override and no mode Observe.
    pub shadow: GateState,
    /// Whether the policy is in mode Observe; it then always passes.
    pub observe: bool,
    /// One line of at most 900 bytes that names policy, object, condition, value and trip.
    pub reason: String,
    /// The circuit that decides, and its most telling rule.
    pub deciding: Option<Deciding>,
    /// The trips of the circuits asked for, the deciding one's first, at most [`MAX_TRIPS`].
    pub trips: Vec<TripId>,
    /// How many circuits were asked for.
    pub counts: Counts,
}

/// The circuit that decides.
#[derive(Clone, Debug)]
pub struct Deciding {
    /// Its object's name.
    pub object: Arc<str>,
    /// Itself.
    pub circuit: Arc<CircuitView>,
    /// The rule asked for, or the one with most to say.
    pub rule: Option<RuleView>,
    /// How long ago that rule's value arrived.
    pub age: Option<Span>,
}

/// Circuits by what they enforce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub total: usize,
    /// Those that are Open.
    pub open: usize,
    /// Those that are `HalfOpen`.
    pub half_open: usize,
    /// Those that are Unknown.
    pub unknown: usize,
}

/// Why nothing but an Open circuit can be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Blind {
    /// The policy is not in the view.
    NoPolicy,
    /// Nothing has been listed yet.
    NotSynced,
    /// The engine has not come round for this long.
    Stalled(Span),
    /// The policy's contract is not known, so nothing is watched for it.
    NoContract,
    /// The kind's watch has not been confirmed for this long.
    Unconfirmed(Span),
    /// No circuit answers to the name asked for, or there is none at all.
    NoCircuit,
    /// The circuit has no rule on the condition asked for.
    NoRule,
}

/// Answers a query. Total: every query has a verdict.
#[must_use]
pub fn verdict(view: &View, moment: Moment, query: &Query<'_>) -> Verdict {
    let key = (Arc::from(query.namespace), Arc::from(query.policy));
    let Some(policy) = view.policies.get(&key) else {
        let blind = if view.synced {
            Blind::NoPolicy
        } else {
            Blind::NotSynced
        };
        return nothing(query, None, &blind);
    };
    let blind = blindness(view, policy, moment);
    let mut counts = Counts::default();
    let mut trips = Vec::new();
    let mut worst: Option<Judged<'_>> = None;
    for (object, circuit) in circuits(policy, query.object) {
        let judged = Judged::new(object, circuit, policy.observe, blind.as_ref(), query);
        counts.add(judged.state);
        if trips.len() < MAX_TRIPS {
            trips.extend(circuit.trip);
        }
        if worst.as_ref().is_none_or(|worst| judged.outranks(worst)) {
            worst = Some(judged);
        }
    }
    match worst {
        None => nothing(query, Some(policy), &blind.unwrap_or(Blind::NoCircuit)),
        Some(worst) => Verdict {
            state: worst.state,
            shadow: worst.shadow,
            observe: policy.observe,
            reason: reason::of_circuit(query, policy, &worst, counts, moment.now),
            trips: lead_with(worst.circuit.trip, trips),
            deciding: Some(worst.deciding(moment.now)),
            counts,
        },
    }
}

impl Verdict {
    /// Whether the gate lets pass.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.state == GateState::Closed
    }

    /// The verdict in one word.
    #[must_use]
    pub fn word(&self) -> Word {
        match self.state {
            GateState::Closed => Word::Pass,
            GateState::Open => Word::Fail,
            GateState::HalfOpen | GateState::Unknown => Word::Unknown,
        }
    }
}

impl Deciding {
    /// The age in whole seconds.
    #[must_use]
    pub fn age_seconds(&self) -> Option<u64> {
        self.age.map(wire::seconds)
    }
}

impl GateState {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "Closed",
            Self::Unknown => "Unknown",
            Self::HalfOpen => "HalfOpen",
            Self::Open => "Open",
        }
    }
}

impl Word {
    /// The word, as Argo's conditions compare it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
        }
    }
}

impl Counts {
    fn add(&mut self, state: GateState) {
        self.total += 1;
        match state {
            GateState::Closed => {}
            GateState::Unknown => self.unknown += 1,
            GateState::HalfOpen => self.half_open += 1,
            GateState::Open => self.open += 1,
        }
    }
}

/// The circuits asked for.
fn circuits<'a>(
    policy: &'a PolicyView,
    object: Option<&str>,
) -> Box<dyn Iterator<Item = (&'a Arc<str>, &'a Arc<CircuitView>)> + 'a> {
    match object {
        None => Box::new(policy.circuits.iter()),
        Some(name) => Box::new(policy.circuits.get_key_value(name).into_iter()),
    }
}

/// Why the policy's circuits can't be believed, if so: the cause furthest upstream.
fn blindness(view: &View, policy: &PolicyView, moment: Moment) -> Option<Blind> {
    let silent = moment.now.since(moment.beat);
    if silent >= STALLED_AFTER {
        return Some(Blind::Stalled(silent));
    }
    if !view.synced {
        return Some(Blind::NotSynced);
    }
    let Some(kind) = &policy.kind else {
        return Some(Blind::NoContract);
    };
    let unconfirmed = moment.now.since(*view.unconfirmed.get(kind)?);
    (unconfirmed >= UNCONFIRMED_AFTER).then_some(Blind::Unconfirmed(unconfirmed))
}

/// The verdict where no circuit can be found.
fn nothing(query: &Query<'_>, policy: Option<&PolicyView>, blind: &Blind) -> Verdict {
    let observe = policy.is_some_and(|policy| policy.observe);
    Verdict {
        state: if observe {
            GateState::Closed
        } else {
            GateState::Unknown
        },
        shadow: GateState::Unknown,
        observe,
        reason: reason::of_nothing(query, policy, blind),
        deciding: None,
        trips: Vec::new(),
        counts: Counts::default(),
    }
}

/// The deciding circuit's trip goes first, whether or not it was among the first found.
fn lead_with(first: Option<TripId>, mut trips: Vec<TripId>) -> Vec<TripId> {
    let Some(first) = first else {
        return trips;
    };
    trips.retain(|trip| *trip != first);
    trips.insert(0, first);
    trips.truncate(MAX_TRIPS);
    trips
}

#[cfg(test)]
mod tests;
