//! The checker: checks each document against its schema, its rules, and its contract.

use std::collections::BTreeMap;
use std::sync::Arc;

use fusegate_crds::{CircuitPolicySpec, ConditionContractSpec};
use serde_json::value::RawValue;

use crate::cli::check::dependencies;
use crate::cli::check::finding::Finding;
use crate::cli::check::input::{Document, Input};
use crate::cli::check::item::{Item, Usable};
use crate::cli::check::mesh;
use crate::condition::contract::Contract;
use crate::condition::extract::extract_object;
use crate::condition::outside::Outside;
use crate::policy::allowance::Allowance;
use crate::source::dir::entry::{self, Entry, Flaw, Key, Known};
use crate::source::dir::scopes::Scopes;
use crate::spec;
use crate::wire::event::GroupKind;

/// Every problem of the input, in its order.
pub(super) fn check(input: &Input) -> Vec<Finding> {
    let mut checker = Checker {
        findings: input.findings.clone(),
        ..Checker::default()
    };
    let mut flawed = Vec::new();
    let items = checker.identify(&input.documents, &mut flawed);
    for item in &items {
        checker.contract(item);
    }
    for item in &items {
        checker.rest(item, &items);
    }
    for (document, flaw) in flawed {
        if !flaw.foreign || checker.contract_of(&flaw.kind).is_some() {
            checker.find_in(document, flaw.problem);
        }
    }
    // A stable sort keeps the problems of one document in the order in which they were found.
    checker
        .findings
        .sort_by(|one, other| one.place.cmp(&other.place));
    checker.findings
}

#[derive(Default)]
struct Checker {
    findings: Vec<Finding>,
    /// By name; `None` if the contract has problems itself.
    contracts: BTreeMap<Box<str>, Option<Usable>>,
}

impl Checker {
    fn identify<'a>(
        &mut self,
        documents: &'a [Document],
        flawed: &mut Vec<(&'a Document, Flaw)>,
    ) -> Vec<Item<'a>> {
        let mut items: Vec<Item<'a>> = Vec::new();
        let mut first = BTreeMap::<Key, &Document>::new();
        let scopes = scopes(documents);
        for document in documents {
            match Entry::of(document.value.clone(), &scopes) {
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
                Ok(None) => self.find_in(
                    document,
                    "is no Kubernetes object; give it apiVersion, kind and metadata.name"
                        .to_owned(),
                ),
                Err(flaw) => flawed.push((document, flaw)),
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
            Known::Override(document) => match &document.spec {
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
                "spec.contract: ConditionContract \"{}\" has problems itself; correct them first",
                spec.contract
            )],
            Some(Some(usable)) => held_to(item, spec, usable, items),
        };
        self.find_all(item, problems);
        self.find_all(item, dependencies::circle(item, spec, items));
    }

    fn object(&mut self, item: &Item<'_>) {
        let Some(usable) = self.contract_of(&item.entry.key.kind) else {
            return;
        };
        let problems = report(item, &usable.contract);
        self.find_all(item, problems);
    }

    /// The contract of a kind.
    fn contract_of(&self, kind: &GroupKind) -> Option<&Usable> {
        let mut usable = self.contracts.values().flatten();
        usable.find(|usable| usable.kind == *kind)
    }

    fn find_in(&mut self, document: &Document, problem: String) {
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
            // Some checks write fields with a leading dot; print all fields without.
            self.find(item, problem.trim_start_matches('.').to_owned());
        }
    }
}

/// The kinds that the CRDs among the documents declare to be cluster-scoped.
fn scopes(documents: &[Document]) -> Scopes {
    let none = Scopes::default();
    let crds = documents.iter().filter_map(|document| {
        let crd = document.value.get("kind")? == "CustomResourceDefinition";
        crd.then(|| Entry::of(document.value.clone(), &none).ok()?)?
    });
    let scoped = crds.filter_map(|entry| match entry.known {
        Known::Crd(crd) if !crd.namespaced => Some(crd.target),
        _ => None,
    });
    scoped.collect()
}

/// The problems of a policy under its contract.
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
    let outside = Outside::of(contract);
    let object = match entry::object(item.document.value.clone(), &item.entry, outside.as_ref()) {
        Ok(object) => object,
        Err(error) => return vec![format!("status: {error}")],
    };
    let [status, rest] =
        [&object.status, &object.rest].map(|raw| raw.as_deref().map(RawValue::get));
    let report = extract_object(contract, status, rest);
    let mut problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    if report.problems_omitted > 0 {
        problems.push(format!(
            "status: {} more problems are not shown; correct these first",
            report.problems_omitted
        ));
    }
    problems
}
