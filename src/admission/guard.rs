//! A guard: what fusegate's own webhook holds against the writes of one kind.

use std::sync::Arc;

use fusegate_crds::{AdmissionMode, ConditionContractSpec};
use twox_hash::XxHash3_128;

use crate::condition::contract::Contract;
use crate::condition::outside::Outside;

/// The groups and resources that no webhook is asked about: it, or the API server, needs them in order to start.
const NEVER: [(&str, &str); 3] = [
    ("fusegate.io", "*"),
    ("coordination.k8s.io", "leases"),
    ("", "pods"),
];

/// Where objects are left alone beside fusegate's own namespace.
pub(super) const SYSTEM: &str = "kube-system";

/// What is held against the writes of one kind.
#[derive(Debug)]
pub struct Guard {
    pub(super) contract: Contract,
    pub(super) mode: AdmissionMode,
    pub(super) resource: Resource,
    pub(super) frozen: Vec<FrozenSchema>,
    pub(super) outside: Option<Outside>,
    /// What tells it from others of the same contract.
    pub(super) hash: Box<str>,
}

/// A kind as requests name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its API group.
    pub group: Arc<str>,
    /// The kind.
    pub kind: Arc<str>,
    /// The version that is judged.
    pub version: Box<str>,
    /// Its plural, in lower case.
    pub plural: Box<str>,
}

/// A schema that may not be brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrozenSchema {
    /// The number of its revision.
    pub revision: u64,
    /// The trip whose circuit is not Closed.
    pub trip: Box<str>,
    /// Its hash.
    pub hash: Box<str>,
}

/// What the webhook judges by: all guards, and what tells them from those before.
#[derive(Debug, Default)]
pub struct Guards {
    pub(super) namespace: Arc<str>,
    pub(super) list: Vec<Arc<Guard>>,
    /// What the configuration that is made of them is told by.
    pub(super) marker: Box<str>,
}

impl Guard {
    /// The guard of a contract.
    #[must_use]
    pub fn new(
        contract: &Contract,
        spec: &ConditionContractSpec,
        resource: Resource,
        frozen: Vec<FrozenSchema>,
    ) -> Self {
        // What a spec says, its JSON says; one that has none is told by its version alone.
        let said = serde_json::to_string(spec).unwrap_or_default();
        let text = format!("{}\0{said}\0{resource:?}\0{frozen:?}", contract.name());
        Self {
            outside: Outside::of(contract),
            contract: contract.clone(),
            mode: spec.admission.mode,
            resource,
            frozen,
            hash: digest(&text).into(),
        }
    }

    /// What tells it from others of the same contract.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The name of the kind's CRD.
    pub(super) fn crd(&self) -> String {
        format!("{}.{}", self.resource.plural, self.resource.group)
    }
}

impl Resource {
    /// Whether no webhook is asked about it.
    #[must_use]
    pub fn is_left_alone(&self) -> bool {
        NEVER.iter().any(|(group, plural)| {
            **group == *self.group && (*plural == "*" || **plural == *self.plural)
        })
    }
}

impl Guards {
    /// All guards, by fusegate's own namespace, and how the API server reaches the webhook.
    #[must_use]
    pub fn new(namespace: Arc<str>, list: Vec<Arc<Guard>>, client: &str) -> Self {
        let hashes: Vec<&str> = list.iter().map(|guard| guard.hash()).collect();
        let marker = digest(&format!("{namespace}\0{client}\0{}", hashes.join("\0"))).into();
        Self {
            namespace,
            list,
            marker,
        }
    }

    /// Whether there is nothing to guard.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What tells these guards from those before.
    #[must_use]
    pub fn marker(&self) -> &str {
        &self.marker
    }

    /// Whether this very guard is one of them.
    #[must_use]
    pub fn contains(&self, guard: &Arc<Guard>) -> bool {
        self.list.iter().any(|each| Arc::ptr_eq(each, guard))
    }

    /// The guard of a resource.
    pub(super) fn of(&self, group: &str, plural: &str) -> Option<&Guard> {
        let mut guards = self.list.iter();
        let found = guards
            .find(|guard| *guard.resource.plural == *plural && *guard.resource.group == *group);
        found.map(|guard| &**guard)
    }

    /// The guard that keeps schemas of a CRD away.
    pub(super) fn of_crd(&self, name: &str) -> Option<&Guard> {
        let mut guards = self.list.iter().filter(|guard| !guard.frozen.is_empty());
        guards
            .find(|guard| guard.crd() == name)
            .map(|guard| &**guard)
    }
}

fn digest(text: &str) -> String {
    format!("{:032x}", XxHash3_128::oneshot(text.as_bytes()))
}
