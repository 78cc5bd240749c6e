//! A type URL: the name of a resource type, by which xDS tells its discovery services apart.
//!
//! The well-known ones are constants and cost nothing to clone; any other type is carried as a shared string.

use std::cmp::Ordering;
use std::fmt::{self, Debug, Display, Formatter};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The name of a resource type, such as `type.googleapis.com/envoy.service.runtime.v3.Runtime`.
#[derive(Clone)]
pub struct TypeUrl(Repr);

#[derive(Clone)]
enum Repr {
    /// The place in [`KNOWN`].
    Known(usize),
    Other(Arc<str>),
}

/// Every known type, in push order.
///
/// It is the make-before-break order of rule 31: what is referred to is pushed before what refers to it.
/// Runtime and secrets refer to nothing, and a runtime update (a circuit that opens) must not wait behind anything.
static KNOWN: [&str; 11] = [
    "type.googleapis.com/envoy.service.runtime.v3.Runtime",
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
    "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "type.googleapis.com/envoy.config.endpoint.v3.LbEndpoint",
    "type.googleapis.com/envoy.config.listener.v3.Listener",
    "type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration",
    "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
    "type.googleapis.com/envoy.config.route.v3.VirtualHost",
    "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
    "type.googleapis.com/ratelimit.config.ratelimit.v3.RateLimitConfig",
];

/// The types that say where a request goes.
const ROUTING: [TypeUrl; 5] = [
    TypeUrl::LISTENER,
    TypeUrl::SCOPED_ROUTE,
    TypeUrl::ROUTE,
    TypeUrl::VIRTUAL_HOST,
    TypeUrl::EXTENSION_CONFIG,
];

impl TypeUrl {
    /// RTDS: runtime layers.
    pub const RUNTIME: Self = Self(Repr::Known(0));
    /// SDS: TLS certificates and other secrets.
    pub const SECRET: Self = Self(Repr::Known(1));
    /// CDS: clusters.
    pub const CLUSTER: Self = Self(Repr::Known(2));
    /// EDS: the endpoints of a cluster.
    pub const ENDPOINT: Self = Self(Repr::Known(3));
    /// LEDS: single endpoints of a locality.
    pub const LB_ENDPOINT: Self = Self(Repr::Known(4));
    /// LDS: listeners.
    pub const LISTENER: Self = Self(Repr::Known(5));
    /// SRDS: scoped route configurations.
    pub const SCOPED_ROUTE: Self = Self(Repr::Known(6));
    /// RDS: route configurations.
    pub const ROUTE: Self = Self(Repr::Known(7));
    /// VHDS: virtual hosts of a route configuration.
    pub const VIRTUAL_HOST: Self = Self(Repr::Known(8));
    /// ECDS: extension configurations.
    pub const EXTENSION_CONFIG: Self = Self(Repr::Known(9));
    /// The configuration of Envoy's rate limit service.
    pub const RATE_LIMIT_CONFIG: Self = Self(Repr::Known(10));

    /// The type with this URL; a well-known one is interned.
    pub fn new(url: &str) -> Self {
        let known = KNOWN.iter().position(|known| *known == url);
        Self(known.map_or_else(|| Repr::Other(Arc::from(url)), Repr::Known))
    }

    /// The URL itself.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Known(place) => KNOWN.get(*place).copied().unwrap_or_default(),
            Repr::Other(url) => url,
        }
    }

    /// The message's full name: what follows the last slash.
    pub fn message(&self) -> &str {
        let url = self.as_str();
        url.rsplit_once('/').map_or(url, |(_, name)| name)
    }

    /// What people call it: the last part of the message's name, such as `Cluster`.
    pub(crate) fn last_part(&self) -> &str {
        let message = self.message();
        message.rsplit_once('.').map_or(message, |(_, last)| last)
    }

    /// Whether a SotW response of this type is the complete set, so that a name left out of it is deleted (rule 16).
    ///
    /// The protocol says so of listeners and clusters; Envoy drops the scopes that a response lacks, too,
    /// and the rate limit service takes each response for its whole configuration.
    /// Of a type of one's own, [`Update::full_state`](crate::Update::full_state) says it.
    pub fn is_full_state(&self) -> bool {
        [
            Self::LISTENER,
            Self::CLUSTER,
            Self::SCOPED_ROUTE,
            Self::RATE_LIMIT_CONFIG,
        ]
        .contains(self)
    }

    /// Whether clients ask for resources of this type one by one, as they need them, so that asking for none is not asking for all.
    ///
    /// Envoy asks for virtual hosts when a request for one comes in, and begins with an empty request.
    /// It waits for a host that it asked for until it hears of it, be it as an entry that has no resource.
    pub fn is_on_demand(&self) -> bool {
        *self == Self::VIRTUAL_HOST
    }

    /// Whether a client keeps a resource of this type that it refused, and refuses all others of the type until that one is replaced.
    ///
    /// Envoy loads all its runtime layers together, and stores each of them before it knows whether that succeeds.
    pub fn is_judged_together(&self) -> bool {
        *self == Self::RUNTIME
    }

    /// Whether a client needs a resource of this type for as long as it subscribes to it, whatever was published since.
    ///
    /// A listener of Envoy that drains still runs its filters, and without its configuration such a filter fails every request.
    /// It still goes by its routes, too, and fails every request that they lead to a cluster which is gone.
    pub fn is_in_use_while_subscribed(&self) -> bool {
        [Self::EXTENSION_CONFIG, Self::ROUTE].contains(self)
    }

    /// Whether a client may ask for a resource of this type because its routes lead there.
    pub(crate) fn is_named_by_routes(&self) -> bool {
        [Self::CLUSTER, Self::ENDPOINT].contains(self)
    }

    /// Whether resources of this type say where a request goes.
    pub(crate) fn is_routing(&self) -> bool {
        ROUTING.contains(self)
    }

    /// Whether resources of this type can refer to others at all.
    pub(crate) fn may_refer(&self) -> bool {
        *self == Self::CLUSTER || ROUTING.contains(self)
    }

    /// Whether resources of this type can refer to those of `other`, which are therefore removed after them (rule 32).
    pub fn may_refer_to(&self, other: &Self) -> bool {
        let by_listeners = [Self::ROUTE, Self::SCOPED_ROUTE, Self::EXTENSION_CONFIG];
        let by_routing = [Self::CLUSTER, Self::ENDPOINT, Self::SECRET];
        let by_clusters = [Self::ENDPOINT, Self::SECRET];
        (ROUTING.contains(self) && by_routing.contains(other))
            || (*self == Self::CLUSTER && by_clusters.contains(other))
            || (*self == Self::LISTENER && by_listeners.contains(other))
    }

    /// Where the type stands in the order of pushes (rule 31); unknown types come last.
    pub fn push_rank(&self) -> usize {
        match self.0 {
            Repr::Known(place) => place,
            Repr::Other(_) => KNOWN.len(),
        }
    }
}

impl PartialEq for TypeUrl {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Repr::Known(a), Repr::Known(b)) => a == b,
            (Repr::Other(a), Repr::Other(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for TypeUrl {}

impl Hash for TypeUrl {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

/// In push order, then by URL.
impl Ord for TypeUrl {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Repr::Other(a), Repr::Other(b)) => a.cmp(b),
            _ => self.push_rank().cmp(&other.push_rank()),
        }
    }
}

impl PartialOrd for TypeUrl {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Display for TypeUrl {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Debug for TypeUrl {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

#[cfg(test)]
mod tests {
    use super::TypeUrl;

    #[test]
    fn a_known_url_is_interned_and_equal_to_its_constant() {
        let url = String::from("type.googleapis.com/envoy.config.cluster.v3.Cluster");
        assert_eq!(TypeUrl::new(&url), TypeUrl::CLUSTER);
        assert_eq!(TypeUrl::CLUSTER.as_str(), url);
    }

    #[test]
    fn rule_31_types_sort_in_make_before_break_order() {
        let mut types = [
            TypeUrl::new("type.googleapis.com/acme.Other"),
            TypeUrl::VIRTUAL_HOST,
            TypeUrl::ROUTE,
            TypeUrl::LISTENER,
            TypeUrl::ENDPOINT,
            TypeUrl::CLUSTER,
        ];
        types.sort();
        let names: Vec<&str> = types.iter().map(TypeUrl::message).collect();
        assert_eq!(
            names,
            [
                "envoy.config.cluster.v3.Cluster",
                "envoy.config.endpoint.v3.ClusterLoadAssignment",
                "envoy.config.listener.v3.Listener",
                "envoy.config.route.v3.RouteConfiguration",
                "envoy.config.route.v3.VirtualHost",
                "acme.Other",
            ]
        );
    }
}
