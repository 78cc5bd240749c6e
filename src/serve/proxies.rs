//! The proxies: every Envoy that is connected to this replica, as it is told to people.
//!
//! What they are told is plain data, filled in by `app`, because this side knows nothing of xDS.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use super::wire::time;

/// How many names of one type are listed.
pub const MAX_NAMES: usize = 32;

/// The most bytes of a refusal that are told; Envoy may quote a whole configuration.
pub const MAX_WORDS: usize = 2_048;

/// Finds connected proxies; it looks at what is there and waits for nobody.
pub type Proxies = Arc<dyn Fn(&Query) -> Vec<Proxy> + Send + Sync>;

/// Which proxies are asked for.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Only streams that came after this one.
    pub after: u64,
    /// Only nodes of this id.
    pub node: Option<String>,
    /// Only nodes of this cluster.
    pub cluster: Option<String>,
    /// Only those that subscribe to this layer.
    pub layer: Option<String>,
    /// Only those that have not taken all that is published.
    pub behind: bool,
    /// How many at most.
    pub most: usize,
}

/// One stream of one proxy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proxy {
    /// Its number, unique in this process; later streams have higher ones.
    pub stream: u64,
    /// The node's id, by its own account.
    pub node: String,
    /// The node's cluster.
    pub cluster: String,
    /// What it is, such as `envoy 1.40.0`.
    pub user_agent: String,
    /// Where it runs, as `region/zone/sub_zone`.
    pub locality: String,
    /// Where it connected from.
    pub address: Option<String>,
    /// The name in its certificate.
    pub certificate: Option<String>,
    /// Which variant of the protocol it speaks, such as `delta-ads`.
    pub transport: String,
    /// Since when.
    pub connected_since: Option<String>,
    /// What it subscribes to.
    pub types: Vec<Type>,
}

/// What a proxy subscribes to of one type, and has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Type {
    /// The type, such as `envoy.service.runtime.v3.Runtime`.
    #[serde(rename = "type")]
    pub name: String,
    /// It subscribes to all there is.
    pub wildcard: bool,
    /// How many names it subscribes to one by one.
    pub subscribed: usize,
    /// The first of them.
    pub names: Vec<Name>,
    /// The last response sent.
    pub sent: Option<Version>,
    /// The last response taken.
    pub acked: Option<Version>,
    /// The last response refused.
    pub nacked: Option<Refusal>,
    /// How far it is behind what is published.
    pub behind: Behind,
}

/// What a proxy has under one name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Name {
    /// The name.
    pub name: String,
    /// Whether its certificate lets it have this.
    pub permitted: bool,
    /// The version that is published for it.
    pub published: Option<String>,
    /// The version last sent.
    pub sent: Option<String>,
    /// The version last taken.
    pub acked: Option<String>,
    /// The version last refused, until another is taken.
    pub nacked: Option<String>,
}

/// A version and when it came to be so.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// The version of the whole type.
    pub version: String,
    /// When.
    pub time: Option<String>,
}

/// A refusal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The version of the whole type.
    pub version: String,
    /// When.
    pub time: Option<String>,
    /// The gRPC status code.
    pub code: i32,
    /// Why, in the proxy's own words.
    pub message: String,
}

/// How far a proxy is behind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Behind {
    /// Of how many names it has not taken what is published.
    pub names: usize,
    /// How many versions of one of them it has missed, at most.
    pub versions: usize,
    /// For how long it has owed an answer, or refused; 0 where it was not sent anything new yet.
    pub seconds: u64,
}
