//! A contract: its last good version, compiled, and the incidents of its kind.

use std::sync::Arc;

use fusegate_crds::{Condition, ConditionContractSpec, ConditionContractStatus, IncidentRecord};

use crate::condition::contract::Contract;
use crate::engine::state::answers::Answers;
use crate::policy::allowance::Allowance;
use crate::wire::event::{GroupKind, Meta};

#[derive(Debug)]
pub(crate) struct ContractEntry {
    pub(crate) meta: Meta,
    pub(crate) kind: Option<GroupKind>,
    pub(crate) spec: Option<Arc<ConditionContractSpec>>,
    pub(crate) compiled: Option<Arc<Compiled>>,
    pub(crate) rejected: Option<Box<str>>,
    /// A spec whose kind another contract has.
    pub(crate) waiting: Option<Arc<ConditionContractSpec>>,
    pub(crate) incidents: Vec<IncidentRecord>,
    /// Its status said, when it was first seen, that the kind is this contract's.
    pub(crate) had_its_kind: Option<bool>,
    /// What came of the last policy that the API server was given.
    pub(crate) admission: AdmissionState,
    /// Its status said, when it was first seen, that there is such a policy.
    pub(crate) was_enforced: bool,
    /// The same of the webhook.
    pub(crate) was_asked: bool,
    /// The reporter whose clock was last seen to differ from ours, until it agrees.
    pub(crate) skew: Option<Skew>,
    /// What Prometheus last said to each of its queries.
    pub(crate) answers: Answers,
    pub(crate) seen: bool,
}

/// The reason of `AdmissionReady` where the webhook enforces a contract.
pub(crate) const ENFORCED_BY_WEBHOOK: &str = "EnforcedByWebhook";

/// What came of the last policy that was applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum AdmissionState {
    /// Nothing has been heard.
    #[default]
    None,
    /// The policy of this marker is enforced.
    Enforced { marker: Box<str> },
    /// The policy of this marker is not known to be.
    Failed {
        marker: Box<str>,
        reason: Box<str>,
        message: Box<str>,
    },
}

/// A reporter's clock that differs from ours.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Skew {
    pub(crate) object: Arc<str>,
    pub(crate) uid: Arc<str>,
    /// The index of the condition whose heartbeat says so.
    pub(crate) condition: usize,
    /// How far ahead it is, in milliseconds; negative where it is behind.
    pub(crate) millis: i64,
}

/// A contract that can be judged by.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) contract: Contract,
    pub(crate) allowance: Allowance,
    pub(crate) changed_within: u64,
    /// How long no other rollback begins after one; milliseconds.
    pub(crate) cooldown: u64,
}

impl ContractEntry {
    pub(crate) fn new(meta: Meta, before: Option<Self>) -> Self {
        let before = before.filter(|before| before.meta.uid == meta.uid);
        let mut entry = before.unwrap_or_else(|| Self {
            meta: Meta::default(),
            kind: None,
            spec: None,
            compiled: None,
            rejected: None,
            waiting: None,
            incidents: Vec::new(),
            had_its_kind: None,
            admission: AdmissionState::None,
            was_enforced: false,
            was_asked: false,
            skew: None,
            answers: Answers::default(),
            seen: true,
        });
        entry.meta = meta;
        entry.seen = true;
        entry
    }

    /// Takes the status as a leader wrote it.
    pub(crate) fn observe_status(&mut self, status: &ConditionContractStatus) {
        self.incidents.clone_from(&status.incidents);
        if self.had_its_kind.is_none() && !status.conditions.is_empty() {
            let mut conditions = status.conditions.iter();
            let accepted =
                |each: &Condition| each.type_ == "Accepted" && each.reason != "InvalidSpec";
            self.had_its_kind = Some(conditions.any(accepted));
            let mut conditions = status.conditions.iter();
            self.was_enforced = conditions
                .any(|each| each.type_ == "AdmissionReady" && each.reason != ENFORCED_BY_WEBHOOK);
            let mut conditions = status.conditions.iter();
            self.was_asked = conditions.any(|each| each.reason == ENFORCED_BY_WEBHOOK);
        }
    }

    /// Replaces what is judged by, if the new spec can be judged by at all.
    pub(crate) fn compile(&mut self, spec: Arc<ConditionContractSpec>) -> bool {
        match Compiled::try_new(&self.meta.name, &spec) {
            Ok(compiled) => {
                self.kind = Some(GroupKind::new(
                    spec.target.group.as_str(),
                    spec.target.kind.as_str(),
                ));
                self.answers.keep_asked(&compiled.contract);
                self.compiled = Some(Arc::new(compiled));
                self.spec = Some(spec);
                self.rejected = None;
                self.skew = None;
                true
            }
            Err(message) => {
                self.rejected = Some(message.into());
                false
            }
        }
    }
}

impl Compiled {
    pub(crate) fn try_new(name: &str, spec: &ConditionContractSpec) -> Result<Self, String> {
        let join = |problems: Vec<crate::condition::problem::Problem>| {
            let parts: Vec<String> = problems.iter().map(ToString::to_string).collect();
            parts.join("; ")
        };
        let contract = Contract::try_new(name, spec).map_err(join)?;
        let allowance = Allowance::try_new(&spec.mesh.clusters, &spec.mesh.runtime)
            .map_err(|(pattern, invalid)| format!("spec.mesh: pattern \"{pattern}\": {invalid}"))?;
        let changed_within = spec.rollback.changed_within.millis();
        let changed_within =
            changed_within.map_err(|invalid| format!("spec.rollback.changedWithin: {invalid}"))?;
        let cooldown = spec.rollback.cooldown.millis();
        let cooldown = cooldown.map_err(|invalid| format!("spec.rollback.cooldown: {invalid}"))?;
        Ok(Self {
            contract,
            allowance,
            changed_within,
            cooldown,
        })
    }
}
