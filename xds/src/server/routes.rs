//! The routes: which path is which service, and what it serves.

use crate::protocol::Refusal;
use crate::proxies::Transport;
use crate::type_url::TypeUrl;

const ADS: &str = "envoy.service.discovery.v3.AggregatedDiscoveryService";

/// Each type's own service, with the end of its methods' names.
///
/// The protocol has both variants of each, except for localities (delta only) and rate limits (SotW only).
const SERVICES: [(&str, &str, TypeUrl); 11] = [
    (
        "envoy.service.listener.v3.ListenerDiscoveryService",
        "Listeners",
        TypeUrl::LISTENER,
    ),
    (
        "envoy.service.route.v3.RouteDiscoveryService",
        "Routes",
        TypeUrl::ROUTE,
    ),
    (
        "envoy.service.route.v3.ScopedRoutesDiscoveryService",
        "ScopedRoutes",
        TypeUrl::SCOPED_ROUTE,
    ),
    (
        "envoy.service.route.v3.VirtualHostDiscoveryService",
        "VirtualHosts",
        TypeUrl::VIRTUAL_HOST,
    ),
    (
        "envoy.service.cluster.v3.ClusterDiscoveryService",
        "Clusters",
        TypeUrl::CLUSTER,
    ),
    (
        "envoy.service.endpoint.v3.EndpointDiscoveryService",
        "Endpoints",
        TypeUrl::ENDPOINT,
    ),
    (
        "envoy.service.endpoint.v3.LocalityEndpointDiscoveryService",
        "LocalityEndpoints",
        TypeUrl::LB_ENDPOINT,
    ),
    (
        "ratelimit.service.ratelimit.v3.RateLimitConfigDiscoveryService",
        "RlsConfigs",
        TypeUrl::RATE_LIMIT_CONFIG,
    ),
    (
        "envoy.service.secret.v3.SecretDiscoveryService",
        "Secrets",
        TypeUrl::SECRET,
    ),
    (
        "envoy.service.runtime.v3.RuntimeDiscoveryService",
        "Runtime",
        TypeUrl::RUNTIME,
    ),
    (
        "envoy.service.extension.v3.ExtensionConfigDiscoveryService",
        "ExtensionConfigs",
        TypeUrl::EXTENSION_CONFIG,
    ),
];

/// The names of all discovery services, as gRPC's health checks ask for them.
#[expect(
    clippy::indexing_slicing,
    reason = "the compiler would refuse a place that there is not"
)]
pub const SERVICE_NAMES: [&str; SERVICES.len() + 1] = {
    let mut names = [ADS; SERVICES.len() + 1];
    let mut place = 0;
    while place < SERVICES.len() {
        names[place] = SERVICES[place].0;
        place += 1;
    }
    names
};

/// What one method serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// The one type it serves; any if `None`.
    pub(super) only: Option<TypeUrl>,
    pub(super) transport: Transport,
}

impl Route {
    /// Rule 2: a type's own service implies the type, an aggregated stream does not.
    pub(super) fn check_type(&self, type_url: &mut String) -> Result<(), Refusal> {
        match &self.only {
            None if type_url.is_empty() => Err(Refusal::MissingTypeUrl),
            None => Ok(()),
            Some(only) if type_url.is_empty() => {
                only.as_str().clone_into(type_url);
                Ok(())
            }
            Some(only) if only.as_str() == *type_url => Ok(()),
            Some(only) => Err(Refusal::WrongType {
                expected: only.clone(),
                got: TypeUrl::new(type_url),
            }),
        }
    }
}

/// The route of a request path, such as `/envoy.service.runtime.v3.RuntimeDiscoveryService/StreamRuntime`.
pub(super) fn find(path: &str) -> Option<Route> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    if service == ADS {
        let delta = is_delta(method, "AggregatedResources")?;
        return Some(Route {
            only: None,
            transport: Transport {
                delta,
                aggregated: true,
            },
        });
    }
    let own = SERVICES.into_iter().find(|(name, ..)| *name == service)?;
    let delta = is_delta(method, own.1)?;
    Some(Route {
        only: Some(own.2),
        transport: Transport {
            delta,
            aggregated: false,
        },
    })
}

fn is_delta(method: &str, what: &str) -> Option<bool> {
    match method.strip_suffix(what)? {
        "Stream" => Some(false),
        "Delta" => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::find;
    use crate::type_url::TypeUrl;

    #[test]
    fn paths_lead_to_their_type_and_variant() {
        let route = find("/envoy.service.runtime.v3.RuntimeDiscoveryService/DeltaRuntime").unwrap();
        assert_eq!(route.only, Some(TypeUrl::RUNTIME));
        assert_eq!(route.transport.name(), "delta");
        let ads =
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
        let route = find(ads).unwrap();
        assert_eq!((route.only, route.transport.name()), (None, "sotw-ads"));
    }

    #[test]
    fn every_type_of_the_protocol_has_its_service() {
        for (path, only) in [
            (
                "/envoy.service.endpoint.v3.LocalityEndpointDiscoveryService/DeltaLocalityEndpoints",
                TypeUrl::LB_ENDPOINT,
            ),
            (
                "/ratelimit.service.ratelimit.v3.RateLimitConfigDiscoveryService/StreamRlsConfigs",
                TypeUrl::RATE_LIMIT_CONFIG,
            ),
        ] {
            assert_eq!(
                find(path).and_then(|route| route.only),
                Some(only),
                "{path}"
            );
        }
    }

    #[test]
    fn other_paths_lead_nowhere() {
        for path in [
            "",
            "/",
            "/envoy.service.runtime.v3.RuntimeDiscoveryService/FetchRuntime",
            "/envoy.service.runtime.v3.RuntimeDiscoveryService/StreamClusters",
            "/envoy.service.cluster.v3.Other/StreamClusters",
        ] {
            assert_eq!(find(path), None, "{path}");
        }
    }
}
