//! What is asked in our own form, and the answer as a document.

use serde::Serialize;

use crate::serve::counters::Form;
use crate::serve::gate::counts::CountsDocument;
use crate::serve::gate::question::Question;
use crate::serve::state::ServeState;
use crate::serve::verdict::{Deciding, Query, Verdict};
use crate::serve::wire::{self, TrippedDocument};

/// A question and whom it is about.
#[derive(Debug)]
pub(super) struct Asked {
    state: ServeState,
    namespace: String,
    policy: String,
    question: Question,
}

/// The whole verdict.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a field of the answer"
)]
pub(super) struct Document {
    namespace: String,
    policy: String,
    object: Option<String>,
    state: &'static str,
    shadow: &'static str,
    mode: &'static str,
    #[serde(rename = "override")]
    forced: Option<&'static str>,
    passes: bool,
    verdict: &'static str,
    mistake: bool,
    reason: String,
    condition: Option<String>,
    value: serde_json::Value,
    class: Option<&'static str>,
    age_seconds: Option<u64>,
    streak: Option<u32>,
    trip_id: Option<String>,
    trip_ids: Vec<String>,
    tripped: Option<TrippedDocument>,
    cause: Option<&'static str>,
    since: Option<String>,
    until: Option<String>,
    latched: bool,
    suppressed: bool,
    circuits: CountsDocument,
}

impl Asked {
    pub(super) fn new(
        state: ServeState,
        namespace: String,
        policy: String,
        question: Question,
    ) -> Self {
        Self {
            state,
            namespace,
            policy,
            question,
        }
    }

    pub(super) fn state(&self) -> &ServeState {
        &self.state
    }

    /// The answer as of now.
    pub(super) fn verdict(&self) -> Verdict {
        self.ask(|query| self.state.verdict(Form::Native, query))
    }

    /// The answer as of now, not counted: nobody is told it unless it is another one.
    pub(super) fn look(&self) -> Verdict {
        self.ask(|query| self.state.look(query))
    }

    fn ask(&self, ask: impl FnOnce(&Query<'_>) -> Verdict) -> Verdict {
        let mut names = Vec::new();
        let query = self.question.of(&self.namespace, &self.policy, &mut names);
        ask(&query)
    }

    pub(super) fn document(&self, verdict: Verdict) -> Document {
        let deciding = verdict.deciding.as_ref();
        let circuit = deciding.map(|deciding| &deciding.circuit);
        let rule = deciding.and_then(Deciding::rule);
        Document {
            namespace: self.namespace.clone(),
            policy: self.policy.clone(),
            object: deciding.map(|deciding| deciding.object.to_string()),
            state: verdict.state.name(),
            shadow: verdict.shadow.name(),
            mode: wire::mode(verdict.observe),
            forced: circuit.and_then(|circuit| circuit.forced).map(wire::forced),
            passes: verdict.passes(),
            verdict: verdict.name.text(),
            mistake: verdict.mistake,
            condition: rule.map(|rule| rule.condition.to_string()),
            value: wire::value(rule.and_then(|rule| rule.value)),
            class: rule.and_then(|rule| rule.class).map(wire::class),
            age_seconds: deciding.and_then(Deciding::age_seconds),
            streak: rule.map(|rule| rule.streak),
            trip_id: circuit
                .and_then(|circuit| circuit.trip)
                .map(|trip| trip.to_string()),
            trip_ids: verdict.trips.iter().map(ToString::to_string).collect(),
            tripped: verdict.tripped.as_ref().map(TrippedDocument::new),
            cause: circuit.and_then(|circuit| circuit.cause).map(wire::cause),
            since: circuit
                .and_then(|circuit| circuit.since)
                .and_then(wire::time),
            until: circuit
                .and_then(|circuit| circuit.until)
                .and_then(wire::time),
            latched: circuit.is_some_and(|circuit| circuit.latched),
            suppressed: circuit.is_some_and(|circuit| circuit.suppressed),
            circuits: CountsDocument::new(verdict.counts),
            reason: verdict.reason,
        }
    }
}
