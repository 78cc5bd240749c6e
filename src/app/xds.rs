//! The xDS server, configured by the options, and its counts as metrics.

use std::sync::Arc;

use fusegate_xds::node::Node;
use fusegate_xds::server::{Assign, Counts, Tls};
use fusegate_xds::{Assignment, Config, Observer, Peer, Proxies, Scope, Server, Store, TypeUrl};

use crate::app::publish;
use crate::cli::run::xds::{Layers, Xds};
use crate::policy::audience::Audience;
use crate::policy::layer::LayerName;
use crate::runtime::metrics::{Bound, EventLabel, Metrics};
use crate::runtime::shard::Share;

/// The hint for a layer that a certificate does not name.
const REMEDY: &str = "its certificate must name the layer's namespace, as spiffe://DOMAIN/ns/NAMESPACE/… or NAMESPACE.layers.fusegate.io";

/// A server for a store, which tells an observer what proxies answer.
pub(super) fn server(
    store: Arc<Store>,
    options: &Xds,
    tls: Option<Tls>,
    observer: Arc<dyn Observer>,
) -> Server {
    let config = Config {
        max_streams: options.max_streams.get(),
        max_connection_age: options.max_connection_age,
        tls,
        ..publish::config()
    };
    let assign: Arc<dyn Assign> = match options.layers {
        Layers::Any => Arc::new(store),
        Layers::Certificate => Arc::new(move |_: &Node, peer: &Peer| {
            Some(Assignment {
                store: Arc::clone(&store),
                scope: scope(peer),
            })
        }),
    };
    Server::assigned(assign, config, observer)
}

/// The layers that a peer's certificate names; none without one.
fn scope(peer: &Peer) -> Scope {
    let audience = peer.certificate.as_ref().map(|certificate| {
        let uris = certificate.uris.iter().map(String::as_str);
        let dns_names = certificate.dns_names.iter().map(String::as_str);
        Audience::of(uris, dns_names)
    });
    let audience = audience.unwrap_or_default();
    Scope::only(REMEDY, move |type_url, name| {
        *type_url == TypeUrl::RUNTIME && audience.may_have(name)
    })
}

/// Copies the counts of the server into the metrics; called once per scrape.
pub(super) fn meter(metrics: &Metrics, server: &Server, share: &Share) {
    let proxies = server.proxies();
    let wide = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    metrics.xds.streams.set(wide(proxies.len()));
    let misdirected = misdirected(&proxies, share);
    metrics.xds.misdirected.set(wide(misdirected));
    let counts = server.counts();
    for (event, count) in events(&counts) {
        let label = EventLabel { event };
        let counter = metrics.xds.events.get_or_create(&label);
        counter
            .inner()
            .store(count, std::sync::atomic::Ordering::Relaxed);
    }
}

/// How many proxies ask for a layer whose namespace another shard judges.
fn misdirected(proxies: &Proxies, share: &Share) -> usize {
    if share.shard().is_whole() {
        return 0;
    }
    let foreign = |name: &str| {
        let layer = LayerName::try_new(name);
        layer.is_ok_and(|layer| !share.has(layer.namespace()))
    };
    let all = proxies.list();
    let asking = all.iter().filter(|proxy| {
        let status = proxy.of_type(&TypeUrl::RUNTIME);
        status.is_some_and(|status| status.names.keys().any(|name| foreign(name)))
    });
    asking.count()
}

fn events(counts: &Counts) -> [(&'static str, u64); 15] {
    [
        ("connection", counts.connections),
        ("connection_ended", counts.connections_ended),
        ("connection_failed", counts.connections_failed),
        ("connection_aged", counts.connections_aged),
        ("stream", counts.streams),
        ("stream_delayed", counts.streams_delayed),
        ("turn_lapsed", counts.turns_lapsed),
        ("response", counts.responses),
        ("ack", counts.acks),
        ("nack", counts.nacks),
        ("isolated", counts.isolated),
        ("debounced", counts.debounced),
        ("name_denied", counts.names_denied),
        ("node_unknown", counts.nodes_unknown),
        ("on_demand_full", counts.on_demand_full),
    ]
}

/// How often each bound of the server was met.
pub(super) fn bounds(counts: &Counts) -> [(Bound, u64); 11] {
    let silent = counts.connections_silent + counts.streams_silent;
    [
        (Bound::XdsConnections, counts.connections_full),
        (Bound::XdsStreams, counts.streams_full),
        (Bound::XdsAdmissionWait, counts.streams_overdue),
        (Bound::XdsFirstRequest, silent),
        (Bound::XdsNames, counts.names_exceeded),
        (Bound::XdsTypes, counts.types_exceeded),
        (Bound::XdsNameBytes, counts.name_bytes_exceeded),
        (Bound::XdsRequestBytes, counts.requests_too_large),
        (Bound::XdsResponseBytes, counts.responses_too_large),
        (Bound::XdsSendTime, counts.streams_stalled),
        (Bound::XdsBisect, counts.unresolved),
    ]
}

#[cfg(test)]
mod tests {
    use fusegate_xds::server::Counts;

    use super::{bounds, events};

    #[test]
    fn everything_that_is_counted_is_a_metric() {
        let counts = Counts {
            turns_lapsed: 7,
            ..Counts::default()
        };
        assert!(events(&counts).contains(&("turn_lapsed", 7)));
        let counted = format!("{counts:?}").matches(": ").count();
        // Silence on a connection and on a stream are one bound.
        let exported = events(&counts).len() + bounds(&counts).len() + 1;
        assert_eq!(exported, counted);
    }
}
