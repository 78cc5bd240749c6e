//! Bisecting: what Envoy refuses is found and left out, and the good around it is in force.

use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::service::runtime::v3::Runtime;
use envoy_types::pb::google::protobuf::{ListValue, Struct, Value, value::Kind};
use fusegate_xds::bisect::Bisect;
use fusegate_xds::protocol::Isolated;
use fusegate_xds::{Config, Resource, TypeUrl, Update, runtime};

use crate::plane::Plane;
use crate::proxy::{Proxy, Variant};
use crate::resources::static_cluster;
use crate::wait::until;

const TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) async fn plane() -> Plane {
    let bisect = Bisect::nothing()
        .resources(TypeUrl::CLUSTER)
        .parts(TypeUrl::RUNTIME, runtime::keys());
    Plane::start_with(Config {
        bisect: Arc::new(bisect),
        ..Config::default()
    })
    .await
}

/// What the one client that is connected was found to refuse.
pub(crate) fn isolated(plane: &Plane, type_url: &TypeUrl) -> Vec<Isolated> {
    let proxies = plane.server.proxies().list();
    let found = proxies
        .iter()
        .filter_map(|proxy| Some(proxy.of_type(type_url)?.isolated.clone()));
    found.flatten().collect()
}

fn names(isolated: &[Isolated]) -> Vec<&str> {
    isolated.iter().map(|found| &*found.name).collect()
}

#[tokio::test]
async fn one_bad_cluster_among_twenty_is_found_and_the_others_are_in_use() {
    Variant::each(async |variant: Variant| {
        let plane = plane().await;
        plane
            .store
            .publish(Update::new().put(static_cluster("first", TIMEOUT)));
        let proxy = Proxy::start(plane.address, variant, &[], true).await;
        let clusters = async || proxy.stat("cluster_manager.active_clusters").await;
        until("the first cluster", Some(2), clusters).await;
        let all = |bad| {
            (0..20).fold(Update::new(), |update, number| {
                let timeout = if number == 13 { bad } else { TIMEOUT };
                let name = format!("cluster-{number:02}");
                update.put(static_cluster(&name, timeout))
            })
        };
        plane.store.publish(all(Duration::ZERO));
        let found = async || {
            let found = isolated(&plane, &TypeUrl::CLUSTER);
            names(&found).join(" ")
        };
        until("the bad one", "cluster-13".to_owned(), found).await;
        let found = isolated(&plane, &TypeUrl::CLUSTER);
        assert!(
            found[0].rejection.message.contains("cluster-13"),
            "{found:?}"
        );
        until("the plane's, the first and 19", Some(21), clusters).await;
        plane.store.publish(all(TIMEOUT));
        until("all of them", Some(22), clusters).await;
        until("nothing is refused", 0, async || {
            isolated(&plane, &TypeUrl::CLUSTER).len()
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn one_bad_key_of_a_layer_is_found_and_the_others_are_in_force() {
    Variant::each(async |variant: Variant| {
        let plane = plane().await;
        plane.store.publish(Update::new().put(layer(1.0, None)));
        let proxy = Proxy::start(plane.address, variant, &["shop"], false).await;
        let shown = async |key: &str| proxy.runtime(key).await;
        until("the layer", "1".to_owned(), async || shown("key-7").await).await;
        let bad = layer(2.0, Some("key-3"));
        let version = bad.version();
        plane.store.publish(Update::new().put(bad));
        let proxies = plane.server.proxies();
        let found = async || {
            let programmed = proxies.programmed(&TypeUrl::RUNTIME, "shop", version);
            let parts = programmed.isolated.into_iter();
            parts
                .filter_map(|(_, found)| found.part)
                .collect::<Vec<_>>()
        };
        until("the bad key", vec![Arc::from("key-3")], found).await;
        until("the others", "2".to_owned(), async || shown("key-7").await).await;
        assert_eq!(shown("key-3").await, "1", "the last good value");
        let programmed = proxies.programmed(&TypeUrl::RUNTIME, "shop", version);
        assert_eq!(
            (programmed.acked, programmed.nacked, programmed.partly),
            (0, 1, 1)
        );

        // The others change without a search: the bad one is as it was.
        let rejected = proxy.rejected().await;
        plane
            .store
            .publish(Update::new().put(layer(3.0, Some("key-3"))));
        until("the others", "3".to_owned(), async || shown("key-7").await).await;
        assert_eq!(proxy.rejected().await, rejected);
        plane.store.publish(Update::new().put(layer(4.0, None)));
        until("the mended one", "4".to_owned(), async || {
            shown("key-3").await
        })
        .await;
    })
    .await;
}

/// The layer `shop` of ten keys; one may be a list, which Envoy does not take.
pub(crate) fn layer(number: f64, list: Option<&str>) -> Resource {
    let field = |key: String| {
        let kind = if list == Some(key.as_str()) {
            Kind::ListValue(ListValue::default())
        } else {
            Kind::NumberValue(number)
        };
        (key, Value { kind: Some(kind) })
    };
    let fields = (0..10).map(|number| field(format!("key-{number}")));
    let message = Runtime {
        name: "shop".into(),
        layer: Some(Struct {
            fields: fields.collect(),
        }),
    };
    Resource::from_message("shop", &message)
}
