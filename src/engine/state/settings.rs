//! Settings: the installation's name, and how much it keeps at most.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::wire::event::GroupKind;

/// What an installation is called; part of every alert.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The `cluster` label of alerts.
    pub cluster: Box<str>,
    /// fusegate's own namespace: its policies judge the cluster-scoped kinds, and no policy at the API server judges its objects.
    pub namespace: Arc<str>,
    /// Where this installation's admin port can be reached by people, for links in alerts.
    pub link: Box<str>,
    /// How much it keeps at most.
    pub capacity: Capacity,
    /// Which of several shards it is, such as `2/3`.
    pub shard: Option<Box<str>>,
}

impl Settings {
    /// Whether what contracts ask for is its to write: their statuses, the schemas of their CRDs, and what the API server
    /// enforces them by. Of several shards, that is the first's.
    #[must_use]
    pub fn keeps_contracts(&self) -> bool {
        let shard = self.shard.as_deref();
        shard.is_none_or(|shard| shard.starts_with("1/"))
    }
}

/// Most objects of all kinds: one to five gigabytes, and as far as the engine's pauses are measured (`make bench-engine`).
pub const MOST_OBJECTS: usize = 1_000_000;

/// Most objects of one kind in one namespace: a tenth of all, so that no tenant takes the room of all others.
pub const MOST_OBJECTS_OF_NAMESPACE: usize = 100_000;

/// Most circuits of all policies. Each is of an object and a policy, so objects alone do not bound them.
pub const MOST_CIRCUITS: usize = 1_000_000;

/// Most circuits of one namespace's policies: a fifth of all.
pub const MOST_CIRCUITS_OF_NAMESPACE: usize = 200_000;

/// How many there may be of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Objects of all kinds.
    pub objects: usize,
    /// Objects of one kind in one namespace.
    pub objects_of_namespace: usize,
    /// Circuits of all policies.
    pub circuits: usize,
    /// Circuits of one namespace's policies.
    pub circuits_of_namespace: usize,
}

/// Something of which there are as many as there may be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exceeded {
    /// Objects of all kinds.
    Objects,
    /// Objects of one kind in one namespace.
    Namespace(GroupKind, Arc<str>),
    /// Circuits of all policies.
    Circuits,
    /// Circuits of one namespace's policies.
    CircuitsOfNamespace(Arc<str>),
    /// As many objects as there were when memory became short.
    ObjectsInMemory,
    /// As many circuits as there were then.
    CircuitsInMemory,
}

/// What found no room since the last flush.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is full.
    pub exceeded: Exceeded,
    /// How many there may be.
    pub limit: usize,
    /// The first that was refused.
    pub first: Box<str>,
    /// How many were.
    pub count: u64,
}

/// What is full, and was met.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    pub(crate) exceeded: BTreeSet<Exceeded>,
    pub(crate) circuits: usize,
    /// How many of them each namespace's policies have.
    pub(crate) circuits_of: BTreeMap<Arc<str>, usize>,
    pub(crate) in_memory: Option<InMemory>,
}

impl Usage {
    /// Counts a circuit more of a namespace.
    pub(crate) fn add_circuit(&mut self, namespace: &Arc<str>) {
        self.circuits += 1;
        *self.circuits_of.entry(namespace.clone()).or_default() += 1;
    }

    /// Counts one less.
    pub(crate) fn remove_circuit(&mut self, namespace: &Arc<str>) {
        self.circuits -= 1;
        if let Entry::Occupied(mut count) = self.circuits_of.entry(namespace.clone()) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// What there was when memory became short; while it is, there is no more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InMemory {
    pub(crate) objects: usize,
    pub(crate) circuits: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            objects: MOST_OBJECTS,
            objects_of_namespace: MOST_OBJECTS_OF_NAMESPACE,
            circuits: MOST_CIRCUITS,
            circuits_of_namespace: MOST_CIRCUITS_OF_NAMESPACE,
        }
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Objects => f.write_str("objects of all contracted kinds"),
            Self::Namespace(kind, namespace) if namespace.is_empty() => {
                write!(f, "objects of {kind}, which is cluster-scoped")
            }
            Self::Namespace(kind, namespace) => {
                write!(f, "objects of {kind} in namespace {namespace}")
            }
            Self::Circuits => f.write_str("circuits of all policies"),
            Self::CircuitsOfNamespace(namespace) => {
                write!(f, "circuits of the policies in namespace {namespace}")
            }
            Self::ObjectsInMemory => f.write_str("objects that memory has room for"),
            Self::CircuitsInMemory => f.write_str("circuits that memory has room for"),
        }
    }
}
