//! The bootstrap: the configuration that an Envoy starts with.

use std::{net::SocketAddr, path::PathBuf};

use serde_json::{Value, json};

use super::{EnvoyConfig, Split, Variant};

const XDS_CLUSTER: &str = "fusegate_xds";
const ACCESS_LOG_FORMAT: &str =
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_CLUSTER% %REQ(:PATH)%\n";

/// Where this Envoy listens and writes.
pub(super) struct Places {
    pub(super) admin_port: u16,
    pub(super) listener_port: u16,
    pub(super) access_log: PathBuf,
}

pub(super) fn bootstrap(config: &EnvoyConfig, places: &Places) -> Value {
    let mut bootstrap = json!({
        "node": {"id": config.node_id, "cluster": config.node_cluster},
        "admin": {"address": address(([127, 0, 0, 1], places.admin_port).into())},
        "layered_runtime": {"layers": layers(config)},
        "static_resources": {
            "listeners": [listener(config, places)],
            "clusters": clusters(config),
        },
    });
    if !config.xds.is_empty() {
        bootstrap["dynamic_resources"] = json!({"ads_config": ads(config.variant)});
    }
    bootstrap
}

/// Our layers first and the admin layer last: the last one wins, so an operator can override by hand.
fn layers(config: &EnvoyConfig) -> Vec<Value> {
    let timeout = format!("{}s", config.initial_fetch_timeout.as_secs_f64());
    let rtds = config.layers.iter().map(|name| {
        json!({
            "name": name,
            "rtds_layer": {"name": name, "rtds_config": {
                "resource_api_version": "V3",
                "initial_fetch_timeout": timeout,
                "ads": {},
            }},
        })
    });
    rtds.chain([json!({"name": "admin", "admin_layer": {}})])
        .collect()
}

/// It reconnects soon, so that no test waits for Envoy's usual patience of up to 30 s.
fn ads(variant: Variant) -> Value {
    let api_type = match variant {
        Variant::Sotw => "GRPC",
        Variant::Delta => "DELTA_GRPC",
    };
    json!({
        "api_type": api_type,
        "transport_api_version": "V3",
        "set_node_on_first_message_only": true,
        "grpc_services": [{"envoy_grpc": {
            "cluster_name": XDS_CLUSTER,
            "retry_policy": {"retry_back_off": {"base_interval": "0.05s", "max_interval": "0.5s"}},
        }}],
    })
}

fn clusters(config: &EnvoyConfig) -> Vec<Value> {
    let upstreams = config
        .clusters
        .iter()
        .map(|(name, upstream)| cluster(name, &[*upstream]));
    let mut clusters: Vec<Value> = upstreams.collect();
    if !config.xds.is_empty() {
        let mut xds = cluster(XDS_CLUSTER, &config.xds);
        xds["typed_extension_protocol_options"] = json!({
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            },
        });
        if let Some(socket) = &config.xds_socket {
            xds["transport_socket"] = socket.clone();
        }
        clusters.push(xds);
    }
    clusters
}

fn cluster(name: &str, addresses: &[SocketAddr]) -> Value {
    let endpoints = addresses
        .iter()
        .map(|each| json!({"endpoint": {"address": address(*each)}}));
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": endpoints.collect::<Vec<_>>()}],
        },
    })
}

fn listener(config: &EnvoyConfig, places: &Places) -> Value {
    let plain = config.clusters.iter().map(|(name, _)| route(name));
    let routes: Vec<Value> = plain.chain(config.splits.iter().map(split)).collect();
    json!({
        "name": "test",
        "address": address(([127, 0, 0, 1], places.listener_port).into()),
        // With it two servers would share one port without either noticing.
        "enable_reuse_port": false,
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": "test",
                "access_log": [access_log(places)],
                "http_filters": [{
                    "name": "envoy.filters.http.router",
                    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
                }],
                "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
            },
        }]}],
    })
}

fn access_log(places: &Places) -> Value {
    json!({
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": places.access_log,
            "log_format": {"text_format_source": {"inline_string": ACCESS_LOG_FORMAT}},
        },
    })
}

fn route(cluster: &str) -> Value {
    json!({"match": {"prefix": format!("/{cluster}/")}, "route": {"cluster": cluster}})
}

fn split(split: &Split) -> Value {
    let clusters = split
        .weights
        .iter()
        .map(|(name, weight)| json!({"name": name, "weight": weight}));
    json!({
        "match": {"prefix": format!("/{}/", split.name)},
        "route": {"weighted_clusters": {
            "runtime_key_prefix": split.runtime_key_prefix,
            "clusters": clusters.collect::<Vec<_>>(),
        }},
    })
}

fn address(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip(), "port_value": address.port()}})
}
