//! A contract as the engine keeps it.

use std::sync::Arc;

use fusegate_crds::{ConditionContractSpec, ConditionContractStatus, IncidentRecord};

use crate::breaker::time::Now;
use crate::condition::contract::Contract;
use crate::engine::objects::Objects;
use crate::engine::{Engine, Key};
use crate::policy::allowance::Allowance;
use crate::wire::event::{Document, Feed, GroupKind, Meta};

#[derive(Debug)]
pub(crate) struct ContractEntry {
    pub(crate) meta: Meta,
    pub(crate) kind: Option<GroupKind>,
    pub(crate) spec: Option<Arc<ConditionContractSpec>>,
    pub(crate) compiled: Option<Arc<Compiled>>,
    pub(crate) rejected: Option<Box<str>>,
    /// A spec whose kind another contract has.
    waiting: Option<Arc<ConditionContractSpec>>,
    pub(crate) incidents: Vec<IncidentRecord>,
    pub(crate) conditions: Vec<fusegate_crds::Condition>,
    pub(crate) written: Option<Arc<ConditionContractStatus>>,
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
            Ok(spec) if entry.spec.as_ref() == Some(&spec) => {
                entry.dirty |= entry.rejected.take().is_some();
                entry.waiting = None;
                false
            }
            Ok(spec) => self.compile_contract(&mut entry, spec),
            Err(reasons) => {
                entry.dirty = true;
                entry.rejected = Some(reasons.join("; ").into());
                entry.waiting = None;
                false
            }
        };
        self.keep_contract(now, entry, changed);
        if changed {
            self.retry_contracts(now);
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
            self.retry_contracts(now);
        }
    }

    /// Compiles a spec, unless another contract judges its kind: objects are read once, by one
    /// contract, and rules name conditions by their place in it.
    fn compile_contract(
        &self,
        entry: &mut ContractEntry,
        spec: Arc<ConditionContractSpec>,
    ) -> bool {
        entry.waiting = None;
        if !self.listed.contains(&Feed::Contracts) && !entry.had_its_kind() {
            // Another one that is not listed yet may have the kind, and the order of a list must not decide.
            entry.waiting = Some(spec);
            return false;
        }
        let kind = GroupKind::new(spec.target.group.as_str(), spec.target.kind.as_str());
        let owner = self
            .contract_of(&kind)
            .filter(|owner| owner.meta.name != entry.meta.name);
        let Some(owner) = owner else {
            return entry.compile(spec);
        };
        entry.dirty = true;
        entry.rejected = Some(
            format!(
                "spec.target: {}.{} is contracted by ConditionContract \"{}\" already; \
                 a kind has one contract: delete one of the two, and the other is accepted by itself",
                kind.kind, kind.group, owner.meta.name
            )
            .into(),
        );
        entry.waiting = Some(spec);
        false
    }

    fn keep_contract(&mut self, now: Now, entry: ContractEntry, changed: bool) {
        let (name, kind) = (entry.meta.name.clone(), entry.kind.clone());
        let judges = entry.compiled.is_some();
        self.contracts.insert(name.clone(), entry);
        if !judges {
            // Its policies say why they are not in force, and that is news to them.
            self.relower_contracted(now, &name);
        }
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
    }

    /// Gives contracts that waited for their kind another chance, now that one has let go of it.
    pub(crate) fn retry_contracts(&mut self, now: Now) {
        let waiting = self
            .contracts
            .iter()
            .filter(|(_, entry)| entry.waiting.is_some());
        for name in waiting.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            let Some(mut entry) = self.contracts.remove(&name) else {
                continue;
            };
            let spec = entry.waiting.take();
            let changed = spec.is_some_and(|spec| self.compile_contract(&mut entry, spec));
            self.keep_contract(now, entry, changed);
        }
    }

    /// What was read by other words is no evidence any more. The source tells every object again.
    fn outdate_objects(&mut self, kind: &GroupKind) {
        let objects = self.kinds.get_mut(kind).map(|entry| &mut entry.objects);
        for object in objects.into_iter().flat_map(Objects::values_mut) {
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
            waiting: None,
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

    /// Whether the status says that the kind is this contract's.
    fn had_its_kind(&self) -> bool {
        let mut conditions = self.conditions.iter();
        conditions.any(|each| each.type_ == "Accepted" && each.reason != "InvalidSpec")
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
