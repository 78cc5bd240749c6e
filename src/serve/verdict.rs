//! A verdict: what a gate may say about one policy, read off one view at one moment.
//!
//! It is pure and total: whatever is asked of whatever view, there is an answer, and
//! missing evidence is an answer of its own (Unknown), never a guess. Over several circuits
//! it is their AND. A question that names what does not exist is a mistake, and never passes.

mod circuit;
mod deciding;
mod nearest;
mod query;
mod reason;
mod scope;
mod state;

use std::sync::Arc;

use crate::breaker::circuit::TripId;
use crate::breaker::time::{Mono, Span};
use crate::runtime::shard::Shard;
use crate::serve::verdict::circuit::Judged;
use crate::serve::verdict::deciding::Blind;
use crate::serve::verdict::query::Mistake;
use crate::serve::verdict::scope::Scope;
use crate::serve::wire;
use crate::wire::view::{PolicyView, Tripped, View};

pub use deciding::Deciding;
pub(crate) use nearest::nearest;
pub use query::Query;
pub use state::{Counts, GateState, VerdictName};

/// A watch that has not been confirmed for this long is not believed (`docs/architecture.md`, Gate).
pub const UNCONFIRMED_AFTER: Span = Span::from_secs(30);

/// A heart that has not beaten for this long belongs to a stalled engine.
///
/// The engine beats on every event and at least every five seconds, so six beats
/// must be missed; it is also how long a gate trusts an unconfirmed watch, for the
/// same reason: what has not been looked at for this long is not known.
pub const STALLED_AFTER: Span = Span::from_secs(30);

/// The most trip ids that a verdict lists; a rollout that meets more has one answer all the same.
pub const MAX_TRIPS: usize = 16;

/// The moment at which the view is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Now.
    pub now: Mono,
    /// When the engine, which keeps the view, last came round.
    pub beat: Mono,
}

/// The answer.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What is enforced.
    pub state: GateState,
    /// What the evidence alone says, were there no override and no mode Observe.
    pub shadow: GateState,
    /// The verdict in one word.
    pub name: VerdictName,
    /// Whether the question names something that does not exist.
    pub mistake: bool,
    /// Whether the policy is in mode Observe; it then passes whatever its circuits say.
    pub observe: bool,
    /// One line of at most 900 bytes that names policy, object, condition, value and trip. It stays as it
    /// is while nothing changes.
    pub reason: String,
    /// The circuit that decides, and its most telling rule.
    pub deciding: Option<Deciding>,
    /// The trips of the circuits asked for, the deciding one's first, at most [`MAX_TRIPS`].
    pub trips: Vec<TripId>,
    /// The last trip of any circuit asked for, as far back as is known.
    pub tripped: Option<Tripped>,
    /// How many circuits were asked for.
    pub counts: Counts,
}

/// Answers a query. Total: every query has a verdict.
#[must_use]
pub fn verdict(view: &View, moment: Moment, query: &Query<'_>) -> Verdict {
    let key = (Arc::from(query.namespace), Arc::from(query.policy));
    let Some(policy) = view.policies.get(&key) else {
        return match unlisted(view, moment) {
            Some(blind) => nothing(query, None, &blind),
            None => mistaken(query, None, &Mistake::Policy(nearest_policy(view, query))),
        };
    };
    let blind = blindness(view, policy, moment);
    // A name can be called wrong only once all names are known.
    let listed = policy
        .kind
        .as_ref()
        .is_some_and(|kind| view.listed.contains(kind) && unlisted(view, moment).is_none());
    if listed && let Some(mistake) = scope::mistake(policy, query) {
        return mistaken(query, Some(policy), &mistake);
    }
    let mut tally = Tally::default();
    for (object, circuit) in Scope::new(policy, query) {
        let judged = Judged::new(object, circuit, policy.observe, blind.as_ref(), query);
        tally.add(judged);
    }
    tally.verdict(policy, query, moment.now, blind)
}

/// Answers a query about a namespace that another shard judges: it holds, and says which.
#[must_use]
pub fn elsewhere(query: &Query<'_>, here: Shard, owner: Shard) -> Verdict {
    mistaken(query, None, &Mistake::Shard(here, owner))
}

/// Circuits, counted, and the one that decides among them.
#[derive(Default)]
struct Tally<'a> {
    counts: Counts,
    trips: Vec<TripId>,
    tripped: Option<&'a Tripped>,
    worst: Option<Judged<'a>>,
}

impl<'a> Tally<'a> {
    fn add(&mut self, judged: Judged<'a>) {
        self.counts.add(judged.state);
        if self.trips.len() < MAX_TRIPS {
            self.trips.extend(judged.circuit.trip);
        }
        let newest = [self.tripped, judged.circuit.tripped.as_deref()];
        self.tripped = newest.into_iter().flatten().max_by_key(|trip| trip.at);
        if self
            .worst
            .as_ref()
            .is_none_or(|worst| judged.outranks(worst))
        {
            self.worst = Some(judged);
        }
    }

    fn verdict(
        self,
        policy: &PolicyView,
        query: &Query<'_>,
        now: Mono,
        blind: Option<Blind>,
    ) -> Verdict {
        let Some(worst) = self.worst else {
            return nothing(query, Some(policy), &blind.unwrap_or(Blind::NoCircuit));
        };
        let since = query.since.zip(self.tripped);
        let tripped_since = since.filter(|(since, trip)| trip.at > *since);
        let hopeful = worst
            .blind
            .as_ref()
            .is_none_or(|blind| *blind != Blind::NotSynced);
        let name = match (worst.state, tripped_since) {
            (GateState::Open, _) => VerdictName::Fail,
            (_, Some(_)) if !policy.observe => VerdictName::Fail,
            (GateState::Closed, _) => VerdictName::Pass,
            (GateState::Unknown, _) if policy.passes_unknown && hopeful => VerdictName::Pass,
            (GateState::Unknown | GateState::HalfOpen, _) => VerdictName::Unknown,
        };
        let tripped_since = tripped_since.map(|(_, trip)| trip);
        Verdict {
            state: worst.state,
            shadow: worst.shadow,
            name,
            mistake: false,
            observe: policy.observe,
            reason: reason::of_circuit(query, policy, &worst, self.counts, name, tripped_since),
            trips: lead_with(worst.circuit.trip, self.trips),
            tripped: self.tripped.cloned(),
            deciding: Some(worst.deciding(now)),
            counts: self.counts,
        }
    }
}

impl Verdict {
    /// Whether the gate lets pass.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.name == VerdictName::Pass
    }
}

impl Deciding {
    /// The age in whole seconds.
    #[must_use]
    pub fn age_seconds(&self) -> Option<u64> {
        self.age.map(wire::seconds)
    }
}

/// What every circuit of a policy is to a gate, counted.
#[must_use]
pub fn count(view: &View, moment: Moment, policy: &PolicyView) -> Counts {
    let blind = blindness(view, policy, moment);
    let query = Query::default();
    let mut counts = Counts::default();
    for (object, circuit) in &policy.circuits {
        let judged = Judged::new(object, circuit, policy.observe, blind.as_ref(), &query);
        counts.add(judged.state);
    }
    counts
}

/// Why it can't be said that something does not exist, if so.
fn unlisted(view: &View, moment: Moment) -> Option<Blind> {
    if moment.now.since(moment.beat) >= STALLED_AFTER {
        return Some(Blind::Stalled);
    }
    (!view.synced).then_some(Blind::NotSynced)
}

/// Why the policy's circuits can't be believed, if so: the cause furthest upstream.
fn blindness(view: &View, policy: &PolicyView, moment: Moment) -> Option<Blind> {
    if let Some(blind) = unlisted(view, moment) {
        return Some(blind);
    }
    let Some(kind) = &policy.kind else {
        return Some(Blind::NoContract);
    };
    if !view.listed.contains(kind) {
        return Some(Blind::NotListed);
    }
    let unconfirmed = moment.now.since(*view.unconfirmed.get(kind)?);
    (unconfirmed >= UNCONFIRMED_AFTER).then_some(Blind::Unconfirmed)
}

/// The policy of the namespace with a name like the one asked for.
fn nearest_policy(view: &View, query: &Query<'_>) -> Option<Arc<str>> {
    let from = (Arc::from(query.namespace), Arc::default());
    let names = view.policies.range(from..);
    let names = names.take_while(|((namespace, _), _)| **namespace == *query.namespace);
    nearest(query.policy, names.map(|((_, name), _)| name)).cloned()
}

/// The verdict where no circuit can be found.
fn nothing(query: &Query<'_>, policy: Option<&PolicyView>, blind: &Blind) -> Verdict {
    let observe = policy.is_some_and(|policy| policy.observe);
    let hopeful = *blind != Blind::NotSynced;
    let passes = observe || policy.is_some_and(|policy| policy.passes_unknown && hopeful);
    Verdict {
        state: if observe {
            GateState::Closed
        } else {
            GateState::Unknown
        },
        name: if passes {
            VerdictName::Pass
        } else {
            VerdictName::Unknown
        },
        mistake: false,
        observe,
        reason: reason::of_nothing(query, policy, blind),
        ..unknown()
    }
}

/// The verdict on a question that names what does not exist: it holds, in mode Observe too.
fn mistaken(query: &Query<'_>, policy: Option<&PolicyView>, mistake: &Mistake) -> Verdict {
    Verdict {
        mistake: true,
        observe: policy.is_some_and(|policy| policy.observe),
        reason: reason::of_mistake(query, policy, mistake),
        ..unknown()
    }
}

fn unknown() -> Verdict {
    Verdict {
        state: GateState::Unknown,
        shadow: GateState::Unknown,
        name: VerdictName::Unknown,
        mistake: false,
        observe: false,
        reason: String::new(),
        deciding: None,
        trips: Vec::new(),
        tripped: None,
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
