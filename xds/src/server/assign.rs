//! Assignment: which store a client is served from, and which names of it it may have.

use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::Node as WireNode;
use envoy_types::pb::google::protobuf::value::Kind;
use tonic::codegen::http::HeaderMap;

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

/// All that is known of a client when its stream opens.
///
/// Nothing but [`Opening::peer`] is proven: the rest is what the client says.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// Who it is, as far as that is kept.
    pub node: &'a Node,
    /// The whole message that it said so with: metadata, build, extensions and all.
    pub whole_node: &'a WireNode,
    /// The headers of its request, such as a token.
    pub headers: &'a HeaderMap,
    /// What its connection tells of it.
    pub peer: &'a Peer,
}

impl Opening<'_> {
    /// The text that the node's metadata has under `key`; `None` if there is none, or something else.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        let fields = &self.whole_node.metadata.as_ref()?.fields;
        match fields.get(key)?.kind.as_ref()? {
            Kind::StringValue(text) => Some(text),
            _ => None,
        }
    }
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

    /// The same for whoever needs to know more: the node's metadata, or the request's headers. It is this that is asked.
    ///
    /// [`Openings`] makes it of a function.
    fn assign_opening(&self, opening: &Opening<'_>) -> Option<Assignment> {
        self.assign(opening.node, opening.peer)
    }
}

/// Assigns by all that is known of a client when its stream opens.
///
/// ```
/// use std::sync::Arc;
///
/// use fusegate_xds::server::{Opening, Openings};
/// use fusegate_xds::{Config, Server, Store};
///
/// let store = Arc::new(Store::new());
/// let assign = Openings(move |opening: &Opening<'_>| {
///     let token = opening.headers.get("authorization")?;
///     (token == "Bearer secret").then(|| Arc::clone(&store).into())
/// });
/// let server = Server::assigned(Arc::new(assign), Config::default(), Arc::new(()));
/// # drop(server);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Openings<F>(pub F);

impl<F: Fn(&Opening<'_>) -> Option<Assignment> + Send + Sync + 'static> Assign for Openings<F> {
    /// Where nothing but the node is known: nothing of it is in the message, and there are no headers.
    fn assign(&self, node: &Node, peer: &Peer) -> Option<Assignment> {
        self.assign_opening(&Opening {
            node,
            whole_node: &WireNode::default(),
            headers: &HeaderMap::new(),
            peer,
        })
    }

    fn assign_opening(&self, opening: &Opening<'_>) -> Option<Assignment> {
        self.0(opening)
    }
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
