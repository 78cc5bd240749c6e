//! The circuit that decides a verdict, and why nothing but an Open circuit may be believed.

use std::sync::Arc;

use crate::breaker::time::Span;
use crate::wire::view::{CircuitView, RuleView};

/// The circuit that decides.
#[derive(Clone, Debug)]
pub struct Deciding {
    /// Its object's name.
    pub object: Arc<str>,
    /// Itself.
    pub circuit: Arc<CircuitView>,
    /// Which rule it decides by: see [`Self::rule`].
    pub(super) rule: Option<usize>,
    /// How long ago that rule's value arrived.
    pub age: Option<Span>,
}

impl Deciding {
    /// The rule asked for, or the one with most to say.
    #[must_use]
    pub fn rule(&self) -> Option<RuleView<'_>> {
        self.circuit.rules().nth(self.rule?)
    }
}

/// Why nothing but an Open circuit can be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Blind {
    /// Nothing has been listed yet.
    NotSynced,
    /// The engine has not come round for too long.
    Stalled,
    /// The policy's contract is not known, so nothing is watched for it.
    NoContract,
    /// The kind's objects have not been listed yet.
    NotListed,
    /// The kind's watch has not been confirmed for too long.
    Unconfirmed,
    /// There is no circuit to ask about.
    NoCircuit,
    /// A rule has no current evidence; its condition, and why.
    NoEvidence(Arc<str>, &'static str),
}
