//! The judgment: each document against its schema, its rules, and the contract it is held to.

use std::collections::BTreeMap;
use std::sync::Arc;

use fusegate_crds::{CircuitPolicySpec, ConditionContractSpec};

use crate::cli::check::finding::Finding;
use crate::cli::check::input::{Document, Input};
use crate::cli::check::mesh;
use crate::condition::contract::Contract;
use crate::condition::extract::extract;
use crate::policy::allowance::Allowance;
use crate::source::dir::entry::{self, Entry, Key, Known};
use crate::spec;
use crate::wire::event::GroupKind;

/// Every problem of the input, in its order.
pub(super) fn judge(input: &Input) -> Vec<Finding> {
    let mut court = Court {
        findings: input.findings.clone(),
        ..Court::default()
    };
    let items = court.identify(&input.documents);
    for item in &items {
        court.contract(item);
    }
    for item in &items {
        court.rest(item, &items);
    }
    // Stable, so that a document's problems stay in the order in which they were found.
    court
        .findings
        .sort_by(|one, other| one.place.cmp(&other.place));
    court.findings
}

/// A document that was told apart.
pub(super) struct Item<'a> {
    document: &'a Document,
    pub(super) entry: Entry,
}

/// A contract that objects and policies can be held to.
pub(super) struct Usable {
    pub(super) kind: GroupKind,
    contract: Contract,
    pub(super) allowance: Allowance,
}

#[derive(Default)]
struct Court {
    findings: Vec<Finding>,
    /// By name; those with problems of their own are `None`.
    contracts: BTreeMap<Box<str>, Option<Usable>>,
}

impl Court {
    fn identify<'a>(&mut self, documents: &'a [Document]) -> Vec<Item<'a>> {
        let mut items: Vec<Item<'a>> = Vec::new();
        let mut first = BTreeMap::<Key, &Document>::new();
        for document in documents {
            match Entry::of(document.value.clone()) {
                Ok(Some(entry)) => {
                    let item = Item { document, entry };
                    if let Some(first) = first.get(&item.entry.key) {
                        self.find(
                            &item,
                            format!(
                                "is defined a second time, first in {}; remove one",
                                first.place
                            ),
                        );
                    }
                    first.entry(item.entry.key.clone()).or_insert(document);
                    items.push(item);
                }
                Ok(None) => self.nameless(
                    document,
                    "is no Kubernetes object; give it apiVersion, kind and metadata.name"
                        .to_owned(),
                ),
                Err(why) => self.nameless(document, why),
            }
        }
        items
    }

    fn contract(&mut self, item: &Item<'_>) {
        let Known::Contract(contract) = &item.entry.known else {
            return;
        };
        let name = item.entry.key.name.clone();
        let usable = match &contract.spec {
            Ok(spec) => self.compile(item, &name, spec),
            Err(problems) => {
                self.find_all(item, problems);
                None
            }
        };
        self.contracts.insert(name, usable);
    }

    fn compile(
        &mut self,
        item: &Item<'_>,
        name: &str,
        spec: &ConditionContractSpec,
    ) -> Option<Usable> {
        let contract = match Contract::try_new(name, spec) {
            Ok(contract) => Some(contract),
            Err(problems) => {
                self.find_all(item, problems);
                None
            }
        };
        let allowance = match Allowance::try_new(&spec.mesh.clusters, &spec.mesh.runtime) {
            Ok(allowance) => Some(allowance),
            Err((pattern, invalid)) => {
                self.find(item, format!("spec.mesh: pattern \"{pattern}\": {invalid}"));
                None
            }
        };
        Some(Usable {
            kind: GroupKind::new(&*spec.target.group, &*spec.target.kind),
            contract: contract?,
            allowance: allowance?,
        })
    }

    fn rest(&mut self, item: &Item<'_>, items: &[Item<'_>]) {
        match &item.entry.known {
            Known::Policy(policy) => match &policy.spec {
                Ok(spec) => self.policy(item, spec, items),
                Err(problems) => self.find_all(item, problems),
            },
            Known::Override(order) => match &order.spec {
                Ok(_) => {}
                Err(problems) => self.find_all(item, problems),
            },
            Known::Object(_) => self.object(item),
            Known::Contract(_) | Known::Crd(_) | Known::Revision(_) => {}
        }
    }

    fn policy(&mut self, item: &Item<'_>, spec: &Arc<CircuitPolicySpec>, items: &[Item<'_>]) {
        let problems = match self.contracts.get(spec.contract.as_str()) {
            None => vec![format!(
                "spec.contract: there is no ConditionContract \"{}\" in these files; give its file as well, or name another",
                spec.contract
            )],
            Some(None) => vec![format!(
                "spec.contract: ConditionContract \"{}\" has problems of its own; mend them first",
                spec.contract
            )],
            Some(Some(usable)) => held_to(item, spec, usable, items),
        };
        self.find_all(item, problems);
    }

    fn object(&mut self, item: &Item<'_>) {
        let key = &item.entry.key;
        if &*key.kind.group == entry::OWN_GROUP {
            return self.find(
                item,
                "kind: fusegate.io has no such kind; write ConditionContract, CircuitPolicy or CircuitOverride".to_owned(),
            );
        }
        let mut usable = self.contracts.values().flatten();
        let Some(usable) = usable.find(|usable| usable.kind == key.kind) else {
            return;
        };
        let problems = report(item, &usable.contract);
        self.find_all(item, problems);
    }

    fn nameless(&mut self, document: &Document, problem: String) {
        self.findings.push(Finding {
            place: document.place.clone(),
            subject: None,
            problem,
        });
    }

    fn find(&mut self, item: &Item<'_>, problem: String) {
        self.findings.push(Finding {
            place: item.document.place.clone(),
            subject: Some(item.entry.key.clone()),
            problem,
        });
    }

    fn find_all(&mut self, item: &Item<'_>, problems: impl IntoIterator<Item = impl ToString>) {
        for problem in problems {
            let problem = problem.to_string();
            // Some parts write fields with a dot in front; one way is enough here.
            self.find(item, problem.trim_start_matches('.').to_owned());
        }
    }
}

/// The problems that a policy has with its contract.
fn held_to(
    item: &Item<'_>,
    spec: &CircuitPolicySpec,
    usable: &Usable,
    items: &[Item<'_>],
) -> Vec<String> {
    let namespace = &item.entry.key.namespace;
    match spec::policy::lower(namespace, spec, &usable.contract, &usable.kind.kind) {
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
        Ok(policy) => mesh::refusals(&policy, namespace, usable, items),
    }
}

/// The problems of an object's report.
fn report(item: &Item<'_>, contract: &Contract) -> Vec<String> {
    let object = match entry::object(item.document.value.clone(), &item.entry) {
        Ok(object) => object,
        Err(error) => return vec![format!("status: {error}")],
    };
    let report = extract(
        contract,
        object
            .status
            .as_deref()
            .map(serde_json::value::RawValue::get),
    );
    let mut problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    if report.problems_omitted > 0 {
        problems.push(format!(
            "status: {} more problems are not shown; mend these first",
            report.problems_omitted
        ));
    }
    problems
}
