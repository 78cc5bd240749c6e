//! Assignment: which store a client is served from, and which names of it it may have.

use std::sync::Arc;

use crate::node::Node;
use crate::peer::Peer;
use crate::protocol::Scope;
use crate::store::Store;

/// What a client is served.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// Where its resources are.
    pub store: Arc<Store>,
    /// Which of them it may have.
    pub scope: Scope,
}

/// Which store a client is served from, and which names of it it may have.
///
/// One store serves a whole fleet where clients ask by name; where they ask by wildcard, as Envoy does for clusters and listeners,
/// each group of proxies needs a store of its own.
/// What a node says of itself proves nothing: to keep clients apart that don't trust each other, go by the certificate of the peer.
/// A function will do: `|node: &Node, _: &Peer| stores.get(&node.cluster).cloned().map(Assignment::from)`.
pub trait Assign: Send + Sync + 'static {
    /// What the client is served; `None` turns it away.
    ///
    /// It is asked once for each stream, and must not block.
    fn assign(&self, node: &Node, peer: &Peer) -> Option<Assignment>;
}

/// All of it.
impl From<Arc<Store>> for Assignment {
    fn from(store: Arc<Store>) -> Self {
        Self {
            store,
            scope: Scope::everything(),
        }
    }
}

/// One store for all.
impl Assign for Arc<Store> {
    fn assign(&self, _: &Node, _: &Peer) -> Option<Assignment> {
        Some(Self::clone(self).into())
    }
}

impl<F: Fn(&Node, &Peer) -> Option<Assignment> + Send + Sync + 'static> Assign for F {
    fn assign(&self, node: &Node, peer: &Peer) -> Option<Assignment> {
        self(node, peer)
    }
}
