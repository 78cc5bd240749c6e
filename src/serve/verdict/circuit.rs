//! A judged circuit: what one circuit contributes to a verdict, and which of two says more.

use std::sync::Arc;

use crate::breaker::circuit::{Forced, StateName};
use crate::breaker::sample::Class;
use crate::breaker::time::Mono;
use crate::serve::verdict::deciding::{Blind, Deciding};
use crate::serve::verdict::query::Query;
use crate::serve::verdict::state::GateState;
use crate::serve::wire;
use crate::wire::view::{CircuitView, RuleView};

/// One circuit, judged.
pub(super) struct Judged<'a> {
    pub(super) object: &'a Arc<str>,
    pub(super) circuit: &'a Arc<CircuitView>,
    /// The rule asked for, or the one with most to say.
    pub(super) rule: Option<RuleView<'a>>,
    pub(super) state: GateState,
    pub(super) shadow: GateState,
    /// Why its state, Open apart, is not believed.
    pub(super) blind: Option<Blind>,
}

impl<'a> Judged<'a> {
    pub(super) fn new(
        object: &'a Arc<str>,
        circuit: &'a Arc<CircuitView>,
        observe: bool,
        blind: Option<&Blind>,
        query: &Query<'_>,
    ) -> Self {
        let rule = telling_rule(circuit, query.condition);
        let blind = blind.cloned().or_else(|| without_evidence(circuit));
        let evidence = |state| by_evidence(state, blind.is_some());
        let state = match circuit.forced {
            _ if observe => GateState::Closed,
            Some(Forced::Observe | Forced::Closed) => GateState::Closed,
            Some(Forced::Open) => GateState::Open,
            None => evidence(circuit.state),
        };
        Self {
            object,
            circuit,
            rule,
            state,
            shadow: evidence(circuit.shadow),
            blind,
        }
    }

    /// Whether this circuit decides rather than the other: it refuses more, or would if it
    /// were not overridden, or is closer to refusing.
    pub(super) fn outranks(&self, other: &Self) -> bool {
        self.rank() > other.rank()
    }

    pub(super) fn deciding(&self, now: Mono) -> Deciding {
        Deciding {
            object: Arc::clone(self.object),
            circuit: Arc::clone(self.circuit),
            rule: self.rule.map(|rule| rule.index),
            age: self
                .rule
                .and_then(|rule| rule.arrived)
                .map(|arrived| now.since(arrived)),
        }
    }

    fn rank(&self) -> (GateState, GateState, bool, u32) {
        let streak = self.rule.map_or(0, |rule| rule.streak);
        (self.state, self.shadow, self.circuit.suppressed, streak)
    }
}

/// A state that only Open survives when nothing newer can be known: a trip was evidence
/// once, and that nothing is seen any more is no recovery.
const fn by_evidence(state: StateName, blind: bool) -> GateState {
    match (state, blind) {
        (StateName::Open, _) => GateState::Open,
        (_, true) => GateState::Unknown,
        (StateName::HalfOpen, false) => GateState::HalfOpen,
        (StateName::Closed, false) => GateState::Closed,
    }
}

/// A Closed circuit says nothing while one of its rules has no current evidence.
fn without_evidence(circuit: &CircuitView) -> Option<Blind> {
    if circuit.shadow != StateName::Closed {
        return None;
    }
    circuit.rules().find_map(|rule| {
        let why = match rule.class {
            Some(Class::Good | Class::Bad) => return None,
            Some(class) => wire::unknown_reason(class),
            None => None,
        };
        let why = why.unwrap_or("Missing");
        Some(Blind::NoEvidence(Arc::clone(rule.condition), why))
    })
}

/// The rule on the condition asked for, else the one with the longest streak, else the first with a value.
fn telling_rule<'a>(circuit: &'a CircuitView, condition: Option<&str>) -> Option<RuleView<'a>> {
    let asked = |rule: &RuleView<'_>| condition.is_none_or(|key| **rule.condition == *key);
    // `max_by_key` keeps the last of equals; reversed, that is the policy's first rule.
    circuit.rules().rev().filter(asked).max_by_key(|rule| {
        let bad = rule.class == Some(Class::Bad);
        (rule.streak, bad, rule.value.is_some())
    })
}
