//! A response, before it is bytes, and what became of it.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use crate::resource::Resource;
use crate::snapshot::Failure;
use crate::type_url::TypeUrl;
use crate::version::Version;

/// What ties an answer to its response, unique in its stream (rule 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce(u64);

/// How many low bits of a nonce count; those above tell streams apart.
const COUNTING_BITS: u32 = 24;

impl Nonce {
    /// The nonce before the first of a stream that is told apart by `stream`.
    pub(crate) fn before_first(stream: u32) -> Self {
        Self(u64::from(stream) << COUNTING_BITS)
    }

    /// The nonce after this one.
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// What `Display` writes, for those who write it with every message.
    pub(crate) fn digits(self) -> String {
        self.0.to_string()
    }

    /// Whether this is what the client wrote.
    pub(crate) fn matches(self, text: &str) -> bool {
        text.parse() == Ok(self.0)
    }
}

impl Display for Nonce {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

/// One response to one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The type of everything in it.
    pub type_url: TypeUrl,
    /// The version of the type at that moment.
    pub version: Version,
    /// The publication it was made from.
    pub sequence: u64,
    /// Its nonce.
    pub nonce: Nonce,
    /// In the order of their names, each at most once (rule 30).
    pub resources: Vec<Resource>,
    /// Names that the client is to drop; delta only.
    pub removed: Vec<Arc<str>>,
    /// Names that the client asked for and that stand for nothing, where it waits for an entry of each; delta only.
    pub unknown: Vec<Arc<str>>,
    /// Names that the client asked for and gets no resource of, and why (rule 37).
    pub failed: Vec<(Arc<str>, Arc<Failure>)>,
    /// Resources that the client has and is only to hear of, lest their TTL pass (rule 36); delta only.
    pub heartbeats: Vec<Resource>,
    /// The client understands TTLs (rule 35).
    pub ttl: bool,
    /// It is an offer of a search for what the client refuses ([`bisect`](crate::bisect)), not all that is due.
    pub probe: bool,
}

/// How many names a log line lists.
const MAX_NAMED: usize = 5;

impl Response {
    /// The first few names that are in it, for a log line: a client that refuses something seldom says which of them.
    pub(crate) fn first_names(&self) -> String {
        let names = self.resources.iter().map(Resource::name);
        let all: Vec<&str> = names.chain(&self.removed).map(|name| &**name).collect();
        let first = all.get(..MAX_NAMED).unwrap_or(&all).join(", ");
        match all.len().checked_sub(MAX_NAMED) {
            Some(more @ 1..) => format!("{first} and {more} more"),
            _ => first,
        }
    }

    /// What it has for the subscribed name `key`, which may be an alias.
    pub(crate) fn resource(&self, key: &str) -> Option<&Resource> {
        let named = self
            .resources
            .binary_search_by(|resource| (**resource.name()).cmp(key));
        let aliased = |resource: &&Resource| resource.aliases().iter().any(|one| **one == *key);
        match named {
            Ok(place) => self.resources.get(place),
            Err(_) => self.resources.iter().find(aliased),
        }
    }
}

/// How many bytes of a client's words are kept; they are kept for each stream and type, and Envoy may quote what it refused.
const MAX_WORDS: usize = 16_384;

/// How many bytes of them a log line repeats: whoever refuses everything says it again and again.
const MAX_LOGGED: usize = 1_024;

/// Why a client refused a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The gRPC status code that it gave.
    pub code: i32,
    /// Its own words, cut where they are too many.
    pub message: String,
}

/// What a client was found to refuse, by offering it less ([`bisect`](crate::bisect)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Isolated {
    /// The type.
    pub type_url: TypeUrl,
    /// The resource's name.
    pub name: Arc<str>,
    /// The version published, which the client does not have; `None` if it is the removal that it refuses.
    pub version: Option<Version>,
    /// The one part that is bad, the others being in force; `None` if it is the resource as a whole.
    pub part: Option<Arc<str>>,
    /// Why, in the client's own words, when it was offered this and nothing else that is bad.
    pub rejection: Rejection,
}

/// What a stream reports of its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The client subscribes to other names of this type than before.
    Subscribed(TypeUrl),
    /// The client took the response (rule 7).
    Acked(Arc<Response>),
    /// The client refused the response, or part of it (rule 8).
    Nacked(Arc<Response>, Rejection),
    /// The same, but this says nothing of what is in the response: the client has something of the type that it refused before,
    /// and refuses whatever it is sent as long as that is not replaced ([`TypeUrl::is_judged_together`]).
    ///
    /// Once it takes anything it is asked again, unless something else was published under the same names meanwhile.
    InconclusiveNack(Arc<Response>, Rejection),
    /// It was found what the client refuses; the good is delivered, and this stays parked.
    Isolated(Isolated),
    /// The search for what the client refuses met its bounds, or led nowhere: these names stay parked together.
    Unresolved(TypeUrl, Vec<Arc<str>>, Rejection),
}

impl Event {
    /// The client refused `response`; if that is `inconclusive`, it says nothing of what is in it.
    pub(crate) fn refused(
        response: Arc<Response>,
        rejection: Rejection,
        inconclusive: bool,
    ) -> Self {
        let event = if inconclusive {
            Self::InconclusiveNack
        } else {
            Self::Nacked
        };
        event(response, rejection)
    }
}

impl Event {
    /// Whether the client answered a response.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(
            self,
            Self::Acked(_) | Self::Nacked(..) | Self::InconclusiveNack(..)
        )
    }
}

impl Rejection {
    /// The beginning of its words, as a log line has room for it: the cause comes first.
    pub(crate) fn beginning(&self) -> &str {
        let end = self.message.floor_char_boundary(MAX_LOGGED);
        self.message.get(..end).unwrap_or_default()
    }
}

impl From<envoy_types::pb::google::rpc::Status> for Rejection {
    fn from(status: envoy_types::pb::google::rpc::Status) -> Self {
        let mut message = status.message;
        if message.len() > MAX_WORDS {
            message.truncate(message.floor_char_boundary(MAX_WORDS));
            message.push('…');
        }
        Self {
            code: status.code,
            message,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{Nonce, Response};
    use crate::protocol::testing::resource;
    use crate::type_url::TypeUrl;
    use crate::version::Version;

    #[rstest]
    #[case("", "", "")]
    #[case("a b", "c", "a, b, c")]
    #[case("a b c d e", "", "a, b, c, d, e")]
    #[case("a b c d e f", "g", "a, b, c, d, e and 2 more")]
    fn a_log_line_lists_the_first_names(
        #[case] names: &str,
        #[case] removed: &str,
        #[case] expected: &str,
    ) {
        let of_name = |name| resource(&TypeUrl::CLUSTER, name, "1");
        let response = Response {
            type_url: TypeUrl::CLUSTER,
            version: Version::default(),
            sequence: 1,
            nonce: Nonce::default(),
            resources: names.split_whitespace().map(of_name).collect(),
            removed: removed.split_whitespace().map(Into::into).collect(),
            unknown: Vec::new(),
            failed: Vec::new(),
            heartbeats: Vec::new(),
            ttl: false,
            probe: false,
        };
        assert_eq!(response.first_names(), expected);
    }
}
