//! A contract as the engine keeps it.

use std::sync::Arc;

use fusegate_crds::{ConditionContractSpec, ConditionContractStatus, IncidentRecord};

use crate::breaker::time::Now;
use crate::condition::contract::Contract;
use crate::engine::{Engine, Key};
use crate::policy::allowance::Allowance;
use crate::source::event::{Document, GroupKind, Meta};

#[derive(Debug)]
pub(crate) struct ContractEntry {
    pub(crate) meta: Meta,
    pub(crate) kind: Option<GroupKind>,
    pub(crate) spec: Option<Arc<ConditionContractSpec>>,
    pub(crate) compiled: Option<Arc<Compiled>>,
    pub(crate) rejected: Option<Box<str>>,
    pub(crate) incidents: Vec<IncidentRecord>,
    pub(crate) conditions: Vec<fusegate_crds::Condition>,
    pub(crate) written: Option<ConditionContractStatus>,
    pub(crate) seen: bool,
    pub(crate) dirty: bool,
}

/// A contract that can be judged by.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) contract: Contract,
    pub(crate) allowance: Allowance,
    pub(crate) changed_within: u64,
}

impl Engine {
    pub(crate) fn apply_contract(
        &mut self,
        now: Now,
        document: Document<ConditionContractSpec, ConditionContractStatus>,
    ) {
        let name = document.meta.name.clone();
        let before = self.contracts.remove(&name);
        let mut entry = ContractEntry::new(document.meta, before);
        if let Some(status) = document.status {
            entry.incidents.clone_from(&status.incidents);
            if entry.conditions.is_empty() {
                entry.conditions.clone_from(&status.conditions);
            }
        }
        let changed = match document.spec {
            Ok(spec) if entry.spec.as_ref() == Some(&spec) => false,
            Ok(spec) => entry.compile(spec),
            Err(reasons) => {
                entry.rejected = Some(reasons.join("; ").into());
                false
            }
        };
        let kind = entry.kind.clone();
        self.contracts.insert(name.clone(), entry);
        if let Some(kind) = &kind {
            self.kinds.entry(kind.clone()).or_default();
        }
        if changed {
            if let Some(kind) = &kind {
                self.outdate_objects(kind);
            }
            self.relower_contracted(now, &name);
            if let Some(kind) = &kind {
                self.record_revision(now, kind);
            }
        }
        self.publisher.recheck();
    }

    /// What is published stays, until the policies that asked for it go.
    pub(crate) fn delete_contract(&mut self, now: Now, name: &str) {
        if let Some(entry) = self.contracts.remove(name) {
            if let Some(kind) = &entry.kind {
                self.outdate_objects(kind);
            }
            self.relower_contracted(now, name);
            if let Some(kind) = &entry.kind {
                self.touch_kind(kind);
            }
        }
    }

    /// What was read by other words is no evidence any more. The source tells every object again.
    fn outdate_objects(&mut self, kind: &GroupKind) {
        let objects = self.kinds.get_mut(kind).map(|entry| &mut entry.objects);
        for object in objects.into_iter().flat_map(|objects| objects.values_mut()) {
            object.outdated = true;
        }
    }

    pub(crate) fn contract_of(&self, kind: &GroupKind) -> Option<&ContractEntry> {
        let mut contracts = self.contracts.values();
        contracts.find(|entry| entry.kind.as_ref() == Some(kind) && entry.compiled.is_some())
    }

    fn relower_contracted(&mut self, now: Now, name: &str) {
        let concerned = self
            .policies
            .iter()
            .filter(|(_, policy)| policy.contract() == Some(name));
        for key in concerned.map(|(key, _)| key.clone()).collect::<Vec<Key>>() {
            self.relower(now, &key);
        }
    }
}

impl ContractEntry {
    fn new(meta: Meta, before: Option<Self>) -> Self {
        let before = before.filter(|before| before.meta.uid == meta.uid);
        let mut entry = before.unwrap_or_else(|| Self {
            meta: Meta::default(),
            kind: None,
            spec: None,
            compiled: None,
            rejected: None,
            incidents: Vec::new(),
            conditions: Vec::new(),
            written: None,
            seen: true,
            dirty: true,
        });
        entry.dirty |= entry.meta.generation != meta.generation;
        entry.meta = meta;
        entry.seen = true;
        entry
    }

    /// Replaces what is judged by, if the new spec can be judged by at all.
    fn compile(&mut self, spec: Arc<ConditionContractSpec>) -> bool {
        self.dirty = true;
        match Compiled::try_new(&self.meta.name, &spec) {
            Ok(compiled) => {
                self.kind = Some(GroupKind::new(
                    spec.target.group.as_str(),
                    spec.target.kind.as_str(),
                ));
                self.compiled = Some(Arc::new(compiled));
                self.spec = Some(spec);
                self.rejected = None;
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
    fn try_new(name: &str, spec: &ConditionContractSpec) -> Result<Self, String> {
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
        Ok(Self {
            contract,
            allowance,
            changed_within,
        })
    }
}
