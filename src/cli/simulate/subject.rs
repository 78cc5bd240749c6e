//! The subject: the policy that is simulated, and the contract by which it reads.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use fusegate_crds::{CircuitPolicy, CircuitPolicySpec, ConditionContractSpec};
use serde_json::json;

use crate::cli::check::{self, input};
use crate::cli::named::Named;
use crate::cli::simulate::failure::SimulateFailure;
use crate::condition::contract::Contract;
use crate::source::dir::entry::{Entry, Known};
use crate::source::dir::scopes::Scopes;
use crate::spec::policy::{self, Policy};
use crate::wire::event::{Change, Document, Event, GroupKind, Meta};

/// A policy and its contract, both without problems.
pub(super) struct Subject {
    pub(super) name: Named,
    pub(super) policy: Arc<CircuitPolicySpec>,
    pub(super) contract: Contract,
    pub(super) declared: Arc<ConditionContractSpec>,
    pub(super) kind: GroupKind,
    units: Vec<&'static str>,
    policy_meta: Meta,
    contract_meta: Meta,
}

impl Subject {
    /// Reads files as `fusegate check` does, and picks the policy.
    pub(super) fn read(
        files: &[PathBuf],
        wanted: Option<&Named>,
        stdin: impl Read,
    ) -> Result<Self, SimulateFailure> {
        let input = input::read(files, stdin)?;
        let problems = check::problems(&input);
        if !problems.is_empty() {
            return Err(SimulateFailure::Problems(problems.join("\n")));
        }
        let (policies, contracts) = declared(input.documents);
        let Document { meta, spec, .. } = pick(policies, wanted)?;
        let wrong = |problems: Vec<String>| SimulateFailure::Problems(problems.join("\n"));
        let spec = spec.map_err(wrong)?;
        let of_policy = contracts
            .into_iter()
            .find(|contract| *contract.meta.name == *spec.contract);
        let Some(declaring) = of_policy else {
            let message = format!("there is no ConditionContract \"{}\"", spec.contract);
            return Err(SimulateFailure::Policy(message));
        };
        let declared = declaring.spec.map_err(wrong)?;
        let contract = Contract::try_new(&declaring.meta.name, &declared);
        let contract = contract
            .map_err(|problems| wrong(problems.iter().map(ToString::to_string).collect()))?;
        let mut subject = Self {
            name: Named {
                namespace: meta.namespace.to_string(),
                name: meta.name.to_string(),
            },
            policy: spec,
            contract,
            kind: GroupKind::new(&*declared.target.group, &*declared.target.kind),
            declared,
            units: Vec::new(),
            policy_meta: meta,
            contract_meta: declaring.meta,
        };
        let lowered = subject.lower(&subject.policy);
        subject.units = lowered.map_err(SimulateFailure::Problems)?.units;
        Ok(subject)
    }

    /// What stands behind the numbers of a rule when people read them.
    pub(super) fn unit(&self, rule: usize) -> &'static str {
        self.units.get(rule).copied().unwrap_or_default()
    }

    /// The contract as a source tells it.
    pub(super) fn contract_event(&self) -> Event {
        Event::Contract(Change::Applied(Document {
            meta: self.contract_meta.clone(),
            spec: Ok(Arc::clone(&self.declared)),
            status: None,
        }))
    }

    /// The policy as a source tells it, with these settings.
    pub(super) fn policy_event(&self, policy: Arc<CircuitPolicySpec>) -> Event {
        Event::Policy(Change::Applied(Document {
            meta: self.policy_meta.clone(),
            spec: Ok(policy),
            status: None,
        }))
    }

    /// The policy with these settings, as the engine runs it.
    ///
    /// # Errors
    ///
    /// Why it can't run them.
    pub(super) fn lower(&self, policy: &CircuitPolicySpec) -> Result<Policy, String> {
        let spec = serde_json::to_value(policy).map_err(|error| error.to_string())?;
        let document = json!({
            "apiVersion": "fusegate.io/v1alpha1",
            "kind": "CircuitPolicy",
            "metadata": {"namespace": self.name.namespace, "name": self.name.name},
            "spec": spec,
        });
        let joined = |problems: Vec<String>| problems.join("; ");
        let texts = |problems: Vec<fusegate_crds::Problem>| {
            problems.iter().map(ToString::to_string).collect()
        };
        fusegate_crds::strict::<CircuitPolicy>(document)
            .map_err(texts)
            .map_err(joined)?;
        let lowered = policy::lower(
            &self.name.namespace,
            policy,
            &self.contract,
            &self.kind.kind,
        );
        lowered.map_err(|problems| joined(problems.iter().map(ToString::to_string).collect()))
    }
}

/// The policies and the contracts among documents.
fn declared(documents: Vec<input::Document>) -> (Vec<PolicyDocument>, Vec<ContractDocument>) {
    let (mut policies, mut contracts) = (Vec::new(), Vec::new());
    for document in documents {
        let entry = Entry::of(document.value, &Scopes::default());
        match entry.ok().flatten().map(|entry| entry.known) {
            Some(Known::Policy(policy)) => policies.push(policy),
            Some(Known::Contract(contract)) => contracts.push(contract),
            _ => {}
        }
    }
    (policies, contracts)
}

type ContractDocument = Document<ConditionContractSpec, fusegate_crds::ConditionContractStatus>;
type PolicyDocument = Document<CircuitPolicySpec, fusegate_crds::CircuitPolicyStatus>;

/// The policy that is meant.
fn pick(
    policies: Vec<PolicyDocument>,
    wanted: Option<&Named>,
) -> Result<PolicyDocument, SimulateFailure> {
    let name = |policy: &PolicyDocument| format!("{}/{}", policy.meta.namespace, policy.meta.name);
    let names: Vec<String> = policies.iter().map(name).collect();
    let listed = names.join(", ");
    let mut found = policies
        .into_iter()
        .filter(|policy| wanted.is_none_or(|wanted| wanted.to_string() == name(policy)));
    let policy = found.next();
    match (policy, wanted) {
        (Some(_), _) if found.next().is_some() => Err(SimulateFailure::Policy(format!(
            "the files have several policies: {listed}; say with --policy which is meant"
        ))),
        (Some(policy), _) => Ok(policy),
        (None, Some(wanted)) if !names.is_empty() => Err(SimulateFailure::Policy(format!(
            "the files have no CircuitPolicy {wanted}, only {listed}"
        ))),
        (None, _) => Err(SimulateFailure::Policy(
            "the files have no CircuitPolicy; give its file and that of its contract".to_owned(),
        )),
    }
}
