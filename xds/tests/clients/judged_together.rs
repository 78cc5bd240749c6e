//! Envoy judges all runtime layers together: it keeps a layer that it refused, and refuses all others for it, until that one is replaced.

use std::sync::Arc;

use envoy_types::pb::envoy::service::runtime::v3::Runtime;
use envoy_types::pb::google::protobuf::{ListValue, Struct, Value, value::Kind};
use fusegate_xds::{Resource, TypeUrl, Update};

use crate::bisect;
use crate::plane::Plane;
use crate::proxy::{Proxy, Variant};
use crate::wait::until;

/// Envoy reads the layers of a response in an order of its own: one before and one after the bad one, whatever that is.
const LAYERS: [&str; 3] = ["bank", "shop", "zoo"];

/// The layer `name` with ten keys named after it; `key-3` of it may be a list, which Envoy does not take.
fn layer(name: &str, number: f64, bad: bool) -> Resource {
    let field = |place: u32| {
        let kind = if bad && place == 3 {
            Kind::ListValue(ListValue::default())
        } else {
            Kind::NumberValue(number)
        };
        (key(name, place), Value { kind: Some(kind) })
    };
    let message = Runtime {
        name: name.into(),
        layer: Some(Struct {
            fields: (0..10).map(field).collect(),
        }),
    };
    Resource::from_message(name, &message)
}

fn key(name: &str, place: u32) -> String {
    format!("{name}.key-{place}")
}

/// All layers with this number, `bad` with a bad key.
fn all(number: f64, bad: Option<&str>) -> Vec<Resource> {
    let layers = LAYERS.into_iter();
    layers
        .map(|name| layer(name, number, bad == Some(name)))
        .collect()
}

fn publish(plane: &Plane, layers: Vec<Resource>) {
    let update = layers.into_iter().fold(Update::new(), Update::put);
    plane.store.publish(update);
}

/// Everything comes to be in force with this number, the bad key of `bad` excepted.
async fn settles(proxy: &Proxy, number: f64, bad: Option<&str>) {
    for name in LAYERS {
        for place in [3, 7]
            .into_iter()
            .filter(|place| *place == 7 || bad != Some(name))
        {
            let key = key(name, place);
            let shown = async || proxy.runtime(&key).await;
            until(&key, number.to_string(), shown).await;
        }
    }
}

/// The parts that the one client was found to refuse.
fn parts(plane: &Plane) -> Vec<String> {
    let found = bisect::isolated(plane, &TypeUrl::RUNTIME);
    let part =
        |part: Option<Arc<str>>| part.map_or("all of it".to_owned(), |part| part.to_string());
    found.into_iter().map(|one| part(one.part)).collect()
}

#[tokio::test]
async fn one_bad_key_of_three_layers_is_found_and_all_others_are_in_force() {
    Variant::each(async |variant| {
        let plane = bisect::plane().await;
        publish(&plane, all(1.0, None));
        let proxy = Proxy::start(plane.address, variant, &LAYERS, false).await;
        settles(&proxy, 1.0, None).await;
        let mut number = 1.0;
        let mut searches = 0;
        for bad in LAYERS {
            for together in [true, false] {
                number += 1.0;
                let layers = all(number, Some(bad));
                if together {
                    publish(&plane, layers);
                } else {
                    let (bad, others): (Vec<_>, Vec<_>) =
                        layers.into_iter().partition(|layer| &**layer.name() == bad);
                    publish(&plane, bad);
                    for other in others {
                        publish(&plane, vec![other]);
                    }
                }
                settles(&proxy, number, Some(bad)).await;
                until("the bad key", vec![key(bad, 3)], async || parts(&plane)).await;
                searches += 1;
                let blamed = plane.server.counts().isolated;
                assert_eq!(
                    blamed, searches,
                    "nothing else was blamed, not even for a while"
                );
                assert_eq!(
                    proxy.runtime(&key(bad, 3)).await,
                    (number - 1.0).to_string(),
                    "the last good value"
                );
                number += 1.0;
                publish(&plane, all(number, None));
                settles(&proxy, number, None).await;
                until("nothing is refused", Vec::<String>::new(), async || {
                    parts(&plane)
                })
                .await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn without_bisecting_a_mended_layer_is_taken_with_the_others() {
    Variant::each(async |variant| {
        let plane = Plane::start().await;
        publish(&plane, all(1.0, None));
        let proxy = Proxy::start(plane.address, variant, &LAYERS, false).await;
        settles(&proxy, 1.0, None).await;
        for (number, bad) in [2.0, 4.0, 6.0].into_iter().zip(LAYERS) {
            publish(&plane, all(number, Some(bad)));
            let version = layer(bad, number, true).version();
            let proxies = plane.server.proxies();
            until("the refusal", 1, async || {
                proxies.programmed(&TypeUrl::RUNTIME, bad, version).nacked
            })
            .await;
            plane
                .store
                .publish(Update::new().put(layer(bad, number, false)));
            settles(&proxy, number, None).await;
            for name in LAYERS {
                plane.taken(&TypeUrl::RUNTIME, name).await;
            }
        }
    })
    .await;
}
