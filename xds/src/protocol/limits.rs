//! The limits of one stream, and what a client is told at each of them.

use std::time::Duration;

use crate::type_url::TypeUrl;

/// The bounds of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many names a stream may subscribe to, over all types. A fleet's largest proxies have some ten thousand endpoints sets.
    pub names: usize,
    /// How many types a stream may subscribe to. Envoy knows about a dozen.
    pub types: usize,
    /// How long a name may be, in bytes.
    pub name_bytes: usize,
    /// How many delta responses of one type may await their answer; past this, changes are merged until one comes.
    pub unanswered: usize,
    /// How large a response may grow before it is split, in bytes. gRPC clients refuse more than 4 MiB by default.
    ///
    /// A single resource larger than this goes alone, and what SotW wants complete is never split.
    pub response_bytes: usize,
    /// How long one type waits for another's sake: a removal until what refers to it was taken (rule 32), a listener or route until its clusters could be sent (rule 31).
    ///
    /// Past this it goes all the same, for a client that refuses its routes must not keep its clusters for ever.
    /// As long as this, an Envoy whose listener drains keeps the routes that it goes by, and the clusters that they lead to.
    pub hold: Duration,
    /// How long what was removed is still there for a client that names what it wants, once it has taken the routes that lead elsewhere.
    ///
    /// gRPC acknowledges its routes before it asks for what they lead to, and drops what it used last of all.
    pub grace: Duration,
    /// How long a SotW client is waited for that asks for something without answering what it was sent; past this it is sent that anew.
    ///
    /// A client that drops a type, and with it what is under way, never answers. The wait doubles each time.
    pub answer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            names: 65_536,
            types: 64,
            name_bytes: 4_096,
            unanswered: 16,
            response_bytes: 3 << 20,
            hold: Duration::from_secs(15),
            grace: Duration::from_secs(1),
            answer: Duration::from_secs(1),
        }
    }
}

/// Why a request can't be served. The stream ends with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Rule 1.
    #[error(
        "the first request of a stream must carry `node` with a non-empty `id`; set `node.id` in the client's bootstrap"
    )]
    MissingNode,
    /// What a node says of itself is kept for as long as its stream lasts.
    #[error(
        "`node.{field}` has {length} bytes, over the limit of {limit}; shorten it in the client's bootstrap"
    )]
    LongNode {
        /// Which field of the node.
        field: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// Rule 2.
    #[error(
        "a request on an aggregated stream must carry `type_url`; name the resource type it asks for"
    )]
    MissingTypeUrl,
    /// No store is assigned to the node.
    #[error(
        "there is nothing to serve to node `{node}` of cluster `{cluster}`; give the client's bootstrap what the control plane goes by, be it `node.id`, `node.cluster`, `node.metadata`, a certificate, or a token in `initial_metadata`"
    )]
    UnknownNode {
        /// Its id.
        node: String,
        /// Its cluster.
        cluster: String,
    },
    /// A stream of one type's own service asked for another.
    #[error(
        "`type_url` is `{got}`, but this service serves only `{expected}`; use the aggregated service for other types"
    )]
    WrongType {
        /// What the service serves.
        expected: TypeUrl,
        /// What was asked for.
        got: TypeUrl,
    },
    /// The bound of [`Limits::names`].
    #[error(
        "subscribing to {type_url} goes past the limit of {limit} names per stream (`limits.names`); subscribe to fewer, or raise the limit"
    )]
    TooManyNames {
        /// The type whose subscription went over it.
        type_url: TypeUrl,
        /// The limit.
        limit: usize,
    },
    /// The bound of [`Limits::types`].
    #[error(
        "subscribing to {type_url} goes past the limit of {limit} types per stream (`limits.types`); use a second stream, or raise the limit"
    )]
    TooManyTypes {
        /// The type that was one too many.
        type_url: TypeUrl,
        /// The limit.
        limit: usize,
    },
    /// The bound of [`Limits::name_bytes`].
    #[error(
        "a name of {length} bytes in a subscription to {type_url} is over the limit of {limit} (`limits.name_bytes`); shorten it, or raise the limit"
    )]
    NameTooLong {
        /// The type subscribed to.
        type_url: TypeUrl,
        /// The name's length in bytes.
        length: usize,
        /// The limit.
        limit: usize,
    },
}
