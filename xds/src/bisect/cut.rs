//! A cut: how a resource falls into parts that can be told apart.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The parts of a resource, encoded, by their keys.
pub type Parts = BTreeMap<Arc<str>, Vec<u8>>;

/// How the resources of a type fall into parts, of which any choice makes a resource again.
///
/// A client that refuses such a resource is offered it with fewer of its changed parts, until those are found that it refuses.
/// [`runtime::keys`](crate::runtime::keys) is the cut of runtime layers.
pub trait Cut: Send + Sync + 'static {
    /// The parts of the encoded message `body`; `None` if it can't be read.
    fn split(&self, body: &[u8]) -> Option<Parts>;

    /// The encoded message of the resource `name` that has these parts.
    ///
    /// All parts of a message must make the same bytes again.
    fn join(&self, name: &str, parts: &Parts) -> Vec<u8>;
}
