//! Assignment: which store a node is served from.

use std::sync::Arc;

use crate::node::Node;
use crate::store::Store;

/// Which store a node is served from.
///
/// One store serves a whole fleet where clients ask by name; where they ask by wildcard, as Envoy does for clusters and listeners,
/// each group of proxies needs a store of its own.
/// A function will do: `|node: &Node| stores.get(&node.cluster).cloned()`.
pub trait Assign: Send + Sync + 'static {
    /// The node's store; `None` turns it away.
    ///
    /// It is asked once for each stream, and must not block.
    fn store(&self, node: &Node) -> Option<Arc<Store>>;
}

/// One store for all.
impl Assign for Arc<Store> {
    fn store(&self, _: &Node) -> Option<Arc<Store>> {
        Some(Self::clone(self))
    }
}

impl<F: Fn(&Node) -> Option<Arc<Store>> + Send + Sync + 'static> Assign for F {
    fn store(&self, node: &Node) -> Option<Arc<Store>> {
        self(node)
    }
}
