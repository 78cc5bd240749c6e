//! A resource: one named piece of configuration, encoded once and shared by every stream that sends it.

mod references;

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use envoy_types::pb::google::protobuf::Any;
use prost::{Message, Name};

pub use references::Reference;

use crate::canonical;
use crate::name;
use crate::type_url::TypeUrl;
use crate::version::Version;
use crate::wire;

/// Packs `message` into a `google.protobuf.Any`, as a `typed_config` holds it.
///
/// What is packed into a resource is encoded canonically with it ([`Resource::from_message`]).
///
/// ```
/// use fusegate_xds::envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
///
/// let any = fusegate_xds::pack(&Router::default());
/// assert_eq!(any.type_url, "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router");
/// ```
pub fn pack<M: Message + Name>(message: &M) -> Any {
    Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}

/// One named piece of configuration.
///
/// It is immutable and cheap to clone.
/// Two resources are equal when type, name and version are, and the version is a hash of everything the client gets.
#[derive(Clone)]
pub struct Resource(Arc<Inner>);

struct Inner {
    type_url: TypeUrl,
    name: Arc<str>,
    version: Version,
    any: Bytes,
    /// How many bytes at the end of `any` are the message.
    body: usize,
    ttl: Option<Duration>,
    aliases: Box<[Arc<str>]>,
    references: Arc<[Reference]>,
}

impl Resource {
    /// Encodes `message` canonically: map entries in the order of their keys, so that equal content has equal bytes.
    ///
    /// `prost` keeps maps in `HashMap`s and writes them in the order of the moment; hashing that would make a new version of every restart.
    pub fn from_message<M: Message + Name>(name: &str, message: &M) -> Self {
        let type_url = TypeUrl::new(&M::type_url());
        let body = canonical::sort_maps(type_url.message(), &message.encode_to_vec());
        Self::from_bytes(type_url, name, &body)
    }

    /// Takes `body`, the encoded message of the type `type_url`, as it is.
    ///
    /// The caller sees to it that equal content has equal bytes; nothing checks that they are a message of that type.
    pub fn from_bytes(type_url: TypeUrl, name: &str, body: &[u8]) -> Self {
        let any = encode_any(&type_url, body);
        let references = references::of(&type_url, body).into();
        Self(Arc::new(Inner {
            version: Version::of(body),
            body: body.len(),
            type_url,
            name: Arc::from(name::canonical(name)),
            any,
            ttl: None,
            aliases: Box::default(),
            references,
        }))
    }

    /// The same resource, which the client drops when it has heard nothing of it for `ttl`.
    ///
    /// Only clients that announce TTL support see it (rule 35); the others keep the resource.
    #[must_use]
    pub fn with_ttl(self, ttl: Duration) -> Self {
        let ttl = Some(ttl);
        self.rebuild(ttl, self.0.aliases.clone())
    }

    /// The same resource, which answers subscriptions to `aliases` too (rule 28).
    #[must_use]
    pub fn with_aliases<'a>(self, aliases: impl IntoIterator<Item = &'a str>) -> Self {
        let mut aliases: Vec<Arc<str>> = aliases
            .into_iter()
            .map(|alias| Arc::from(name::canonical(alias)))
            .collect();
        aliases.sort();
        aliases.dedup();
        self.rebuild(self.0.ttl, aliases.into())
    }

    /// The type.
    pub fn type_url(&self) -> &TypeUrl {
        &self.0.type_url
    }

    /// The name, unique among the resources of its type.
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// The hash of content, TTL and aliases.
    pub fn version(&self) -> Version {
        self.0.version
    }

    /// The encoded `google.protobuf.Any` that holds the message.
    pub fn any(&self) -> &Bytes {
        &self.0.any
    }

    /// The encoded message.
    pub fn body(&self) -> &[u8] {
        let head = self.0.any.len().saturating_sub(self.0.body);
        self.0.any.get(head..).unwrap_or_default()
    }

    /// The same resource with another message.
    pub(crate) fn with_body(&self, body: &[u8]) -> Self {
        let other = Self::from_bytes(self.0.type_url.clone(), &self.0.name, body);
        if self.0.ttl.is_none() && self.0.aliases.is_empty() {
            return other;
        }
        other.rebuild(self.0.ttl, self.0.aliases.clone())
    }

    /// How long the client may keep the resource without hearing of it.
    pub fn ttl(&self) -> Option<Duration> {
        self.0.ttl
    }

    /// Further names under which it may be subscribed to.
    pub fn aliases(&self) -> &[Arc<str>] {
        &self.0.aliases
    }

    /// What the client must get anew once this resource has changed (rule 33).
    pub fn references(&self) -> &[Reference] {
        &self.0.references
    }

    /// How many bytes it takes in a response, give or take the envelope.
    pub fn size(&self) -> usize {
        self.0.any.len() + self.0.name.len()
    }

    fn rebuild(&self, ttl: Option<Duration>, aliases: Box<[Arc<str>]>) -> Self {
        let mut hashed = BytesMut::from(&self.0.any[..]);
        if let Some(ttl) = ttl {
            hashed.put_u128(ttl.as_nanos());
        }
        for alias in &aliases {
            wire::put_bytes(&mut hashed, 4, alias.as_bytes());
        }
        Self(Arc::new(Inner {
            type_url: self.0.type_url.clone(),
            name: Arc::clone(&self.0.name),
            version: Version::of(&hashed),
            any: self.0.any.clone(),
            body: self.0.body,
            ttl,
            aliases,
            references: Arc::clone(&self.0.references),
        }))
    }
}

impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.version() == other.version()
                && self.name() == other.name()
                && self.type_url() == other.type_url())
    }
}

impl Eq for Resource {}

impl Debug for Resource {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} {}@{:?}",
            self.0.type_url, self.0.name, self.0.version
        )
    }
}

fn encode_any(type_url: &TypeUrl, body: &[u8]) -> Bytes {
    let url = type_url.as_str().as_bytes();
    let length = wire::bytes_len(1, url) + wire::bytes_len(2, body);
    let mut any = BytesMut::with_capacity(length);
    wire::put_bytes(&mut any, 1, url);
    wire::put_bytes(&mut any, 2, body);
    any.freeze()
}

#[cfg(test)]
mod tests;
