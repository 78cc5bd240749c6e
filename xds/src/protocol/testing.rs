//! What the tests of both protocol variants share: resources of one word, and responses as one line.

pub(crate) mod client;
pub(crate) mod layers;
pub(crate) mod mesh;
pub(crate) mod script;

use std::sync::Arc;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, EdsClusterConfig,
};
use envoy_types::pb::envoy::config::core::v3::config_source::ConfigSourceSpecifier;
use envoy_types::pb::envoy::config::core::v3::{
    AggregatedConfigSource, ConfigSource, ExtensionConfigSource, TransportSocket, transport_socket,
};
use envoy_types::pb::envoy::config::listener::v3::{Filter, FilterChain, Listener, filter};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::scoped_routes::ConfigSpecifier;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, ScopedRds, ScopedRoutes,
    http_connection_manager::RouteSpecifier, http_filter,
};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CommonTlsContext, DownstreamTlsContext, SdsSecretConfig,
};
use envoy_types::pb::google::protobuf::Any;
use prost::{Message, Name};

use super::response::{Rejection, Response};
use super::scope::Scope;
use crate::resource::Resource;
use crate::snapshot::Failure;
use crate::store::{Store, Update};
use crate::type_url::TypeUrl;

/// The resource `name` whose content is `content`.
pub(crate) fn resource(type_url: &TypeUrl, name: &str, content: &str) -> Resource {
    Resource::from_bytes(type_url.clone(), name, content.as_bytes())
}

/// Publishes resources written as `a=1 b=2`, and removals written as `-c`, in one batch.
pub(crate) fn publish(store: &Store, type_url: &TypeUrl, line: &str) {
    let update = line.split_whitespace().fold(Update::new(), |update, word| {
        match (word.strip_prefix('-'), word.rsplit_once('=')) {
            (Some(name), _) => update.remove(type_url.clone(), name),
            (None, Some((name, content))) => update.put(resource(type_url, name, content)),
            (None, None) => panic!("neither a removal nor a resource: {word}"),
        }
    });
    store.publish(update);
}

/// A response in the same notation.
pub(crate) fn line(response: &Response) -> String {
    let resources = response.resources.iter().map(|resource| {
        let any = Any::decode(resource.any().clone()).unwrap();
        format!(
            "{}={}",
            resource.name(),
            String::from_utf8(any.value).unwrap()
        )
    });
    let removed = response.removed.iter().map(|name| format!("-{name}"));
    let failed = response
        .failed
        .iter()
        .map(|(name, failure)| format!("!{name}={}", failure.message));
    let unknown = response.unknown.iter().map(|name| format!("?{name}"));
    let removed = removed.chain(unknown).chain(failed);
    resources.chain(removed).collect::<Vec<_>>().join(" ")
}

/// A cluster whose endpoints come by EDS; `content` tells its versions apart.
pub(crate) fn cluster(name: &str, content: &str) -> Resource {
    let eds = ClusterDiscoveryType::Type(DiscoveryType::Eds.into());
    let specifier = Some(ConfigSourceSpecifier::Ads(AggregatedConfigSource {}));
    let ads = ConfigSource {
        config_source_specifier: specifier,
        ..ConfigSource::default()
    };
    let message = Cluster {
        name: name.into(),
        alt_stat_name: content.into(),
        cluster_discovery_type: Some(eds),
        eds_cluster_config: Some(EdsClusterConfig {
            eds_config: Some(ads),
            ..EdsClusterConfig::default()
        }),
        ..Cluster::default()
    };
    Resource::from_message(name, &message)
}

/// A listener whose chain has the certificate `certificate`, whose filter is configured as `filter`, and whose routes are in scopes.
pub(crate) fn listener(name: &str, content: &str) -> Resource {
    let certificate = SdsSecretConfig {
        name: "certificate".into(),
        ..SdsSecretConfig::default()
    };
    let downstream = DownstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            tls_certificate_sds_secret_configs: vec![certificate],
            ..CommonTlsContext::default()
        }),
        ..DownstreamTlsContext::default()
    };
    let tls = TransportSocket {
        config_type: Some(transport_socket::ConfigType::TypedConfig(any(&downstream))),
        ..TransportSocket::default()
    };
    let filter = HttpFilter {
        name: "filter".into(),
        config_type: Some(http_filter::ConfigType::ConfigDiscovery(
            ExtensionConfigSource::default(),
        )),
        ..HttpFilter::default()
    };
    let scopes = ConfigSpecifier::ScopedRds(ScopedRds::default());
    let manager = HttpConnectionManager {
        http_filters: vec![filter],
        route_specifier: Some(RouteSpecifier::ScopedRoutes(ScopedRoutes {
            config_specifier: Some(scopes),
            ..ScopedRoutes::default()
        })),
        ..HttpConnectionManager::default()
    };
    let manager = Filter {
        config_type: Some(filter::ConfigType::TypedConfig(any(&manager))),
        ..Filter::default()
    };
    let chain = FilterChain {
        transport_socket: Some(tls),
        filters: vec![manager],
        ..FilterChain::default()
    };
    let message = Listener {
        name: name.into(),
        stat_prefix: content.into(),
        filter_chains: vec![chain],
        ..Listener::default()
    };
    Resource::from_message(name, &message)
}

fn any<M: Message + Name>(message: &M) -> Any {
    Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}

/// Which names of which type a response has, whatever their content.
pub(crate) fn brief(response: &Response) -> String {
    let of_type = response
        .type_url
        .message()
        .rsplit('.')
        .next()
        .unwrap_or_default();
    let resources = response
        .resources
        .iter()
        .map(|resource| format!(" {}", resource.name()));
    let removed = response.removed.iter().map(|name| format!(" -{name}"));
    let beats = response
        .heartbeats
        .iter()
        .map(|resource| format!(" ~{}", resource.name()));
    let names: String = resources.chain(removed).chain(beats).collect();
    format!("{of_type}{names}")
}

/// `line` with the folders `f/` and `g/` written out, so that tests of globs can be read.
pub(crate) fn in_folders(line: &str) -> String {
    line.replace("f/", "xdstp://x/t/f/")
        .replace("g/", "xdstp://x/t/g/")
}

pub(crate) fn names(line: &str) -> Vec<Arc<str>> {
    line.split_whitespace().map(Arc::from).collect()
}

/// The update that fails `name` with `message`.
pub(crate) fn failing(type_url: &TypeUrl, name: &str, message: &str) -> Update {
    let message = message.to_owned();
    Update::new().fail(type_url.clone(), name, Failure { code: 14, message })
}

/// The scope of names that begin with `own`.
pub(crate) fn only_own() -> Scope {
    Scope::only("ask for it", |_, name| name.starts_with("own"))
}

pub(crate) fn rejection() -> Rejection {
    Rejection {
        code: 3,
        message: "no good".into(),
    }
}

// It is compared with what a client takes.
#[allow(clippy::unnecessary_wraps)]
pub(crate) fn some(line: &str) -> Option<String> {
    Some(line.to_owned())
}
