//! A broken resource of each type: refused, told in Envoy's words, parked, and mended, while everything else goes on.

use envoy_types::pb::envoy::config::core::v3::TypedExtensionConfig;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{Address, SocketAddress, address};
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint,
};
use envoy_types::pb::envoy::config::listener::v3::Listener;
use envoy_types::pb::envoy::config::route::v3::RouteConfiguration;
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::service::runtime::v3::Runtime;
use envoy_types::pb::google::protobuf::{ListValue, Struct, Value, value::Kind};
use fusegate_xds::Resource;

use crate::front::Front;
use crate::ports::free_port;
use crate::proxy::Variant;
use crate::resources::{any, certificate, endpoints, host, routes};
use crate::wait::until;
use crate::world::{TIMEOUT, World, layer};

/// A broken resource, what Envoy says of it, and the same mended.
struct Broken {
    bad: Resource,
    told: &'static str,
    good: Resource,
}

#[tokio::test]
async fn a_broken_resource_is_parked_and_nothing_else_suffers() {
    Variant::each(async |variant| {
        let mut world = World::start(variant).await;
        for broken in every_type(&world) {
            is_parked_and_mended(&mut world, broken).await;
        }
        world.plain_load.stop().await;
        world.encrypted_load.stop().await;
    })
    .await;
}

/// It is seen by the observer and among the proxies, is not sent again with what else changes, and then is taken.
async fn is_parked_and_mended(world: &mut World, broken: Broken) {
    let (type_url, name) = (broken.bad.type_url().clone(), broken.bad.name().to_string());
    world.put(broken.bad);
    until(&format!("the refusal of {type_url:?}"), true, async || {
        let refusal = world.plane.refusal(&type_url);
        refusal.is_some_and(|words| words.contains(broken.told))
    })
    .await;
    let shown = world
        .plane
        .server
        .proxies()
        .list()
        .into_iter()
        .filter_map(|proxy| {
            let refused = proxy.of_type(&type_url)?.nacked.clone()?;
            Some(refused.rejection.message)
        });
    let shown: Vec<String> = shown.collect();
    assert!(
        shown.iter().any(|words| words.contains(broken.told)),
        "{shown:?}"
    );
    let rejected = world.proxy.rejected().await;
    world.beat().await;
    world.goes_on().await;
    assert_eq!(
        world.proxy.rejected().await,
        rejected,
        "{type_url:?} was sent again"
    );
    world.put(broken.good);
    world.plane.taken(&type_url, &name).await;
    world.beat().await;
    world.goes_on().await;
    assert_eq!(
        world.proxy.rejected().await,
        rejected,
        "{type_url:?} was refused again"
    );
}

fn every_type(world: &World) -> Vec<Broken> {
    let (mesh, extra) = (world.mesh, Front::on(free_port()));
    let extra = Front {
        name: "extra",
        ..extra
    };
    vec![
        Broken {
            bad: mesh.cluster("extra", std::time::Duration::ZERO),
            told: "extra",
            good: mesh.cluster("extra", TIMEOUT),
        },
        Broken {
            bad: nowhere("one"),
            told: "malformed IP address",
            good: endpoints("one", &[world.one.address]),
        },
        Broken {
            bad: Resource::from_message(
                "extra",
                &Listener {
                    name: "extra".into(),
                    ..Listener::default()
                },
            ),
            told: "extra",
            good: extra.listener(mesh),
        },
        Broken {
            bad: no_domain("routes"),
            told: "",
            good: routes("routes", "one"),
        },
        Broken {
            bad: certificate("certificate", "no certificate", "no key"),
            told: "certificate",
            good: world.authority.secret("certificate").0,
        },
        Broken {
            bad: wrong_filter("injector"),
            told: "Router",
            good: mesh.injector("injector", ""),
        },
        // Envoy keeps a layer that it refused, and refuses all layers until that one is mended: no other goes on meanwhile.
        Broken {
            bad: list("shop"),
            told: "nvalid",
            good: layer("shop", 5),
        },
    ]
}

/// Endpoints at no address.
fn nowhere(cluster: &str) -> Resource {
    let address = SocketAddress {
        address: "nowhere".into(),
        port_specifier: Some(PortSpecifier::PortValue(1)),
        ..SocketAddress::default()
    };
    let endpoint = Endpoint {
        address: Some(Address {
            address: Some(address::Address::SocketAddress(address)),
        }),
        ..Endpoint::default()
    };
    let endpoint = LbEndpoint {
        host_identifier: Some(lb_endpoint::HostIdentifier::Endpoint(endpoint)),
        ..LbEndpoint::default()
    };
    let message = ClusterLoadAssignment {
        cluster_name: cluster.into(),
        endpoints: vec![LocalityLbEndpoints {
            lb_endpoints: vec![endpoint],
            ..LocalityLbEndpoints::default()
        }],
        ..ClusterLoadAssignment::default()
    };
    Resource::from_message(cluster, &message)
}

/// Routes with a virtual host for no domain.
fn no_domain(name: &str) -> Resource {
    let mut host = host("all", "*", "one");
    host.domains.clear();
    let message = RouteConfiguration {
        name: name.into(),
        virtual_hosts: vec![host],
        ..RouteConfiguration::default()
    };
    Resource::from_message(name, &message)
}

/// An extension of a type that the listener does not take.
fn wrong_filter(name: &str) -> Resource {
    let message = TypedExtensionConfig {
        name: name.into(),
        typed_config: Some(any(&Router::default())),
    };
    Resource::from_message(name, &message)
}

/// A layer with a list among its values, which Envoy does not take.
pub(crate) fn list(layer: &str) -> Resource {
    let list = Value {
        kind: Some(Kind::ListValue(ListValue::default())),
    };
    let message = Runtime {
        name: layer.into(),
        layer: Some(Struct {
            fields: [("key".to_owned(), list)].into(),
        }),
    };
    Resource::from_message(layer, &message)
}
