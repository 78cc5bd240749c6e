//! Runtime layers: RTDS.

use std::time::Duration;

use fusegate_xds::runtime::{self, RuntimeValue};
use fusegate_xds::{Absent, Resource, Store, TypeUrl, Update};

use crate::broken;
use crate::plane::Plane;
use crate::proxy::{Proxy, Variant};
use crate::wait::{throughout, until};

const KEY: &str = "upstream.maintenance_mode.checkout";

fn layer(name: &str, value: f64) -> Resource {
    runtime::layer(name, [(KEY, RuntimeValue::Number(value))])
}

fn put(resource: Resource) -> Update {
    Update::new().put(resource)
}

/// Every layer exists, and is empty where nothing is published.
fn permissive() -> Absent {
    Absent::default_to(|name| Some(runtime::layer(name, [])))
}

async fn expect_key(proxy: &Proxy, value: &str) {
    until(KEY, value.to_owned(), async || proxy.runtime(KEY).await).await;
}

#[tokio::test]
async fn a_layer_appears_changes_and_is_emptied() {
    Variant::each(async |variant| {
        let plane = Plane::start().await;
        plane
            .store
            .publish(Update::new().absent(TypeUrl::RUNTIME, permissive()));
        let proxy = Proxy::start(plane.address, variant, &["shop", "bank"], false).await;
        expect_key(&proxy, "").await;
        plane.store.publish(put(layer("shop", 100.0)));
        expect_key(&proxy, "100").await;
        plane.store.publish(put(layer("bank", 50.0)));
        expect_key(&proxy, "50").await;
        plane.store.publish(put(layer("bank", 0.5)));
        expect_key(&proxy, "0.5").await;
        plane
            .store
            .publish(Update::new().remove(TypeUrl::RUNTIME, "bank"));
        expect_key(&proxy, "100").await;
        plane
            .store
            .publish(Update::new().remove(TypeUrl::RUNTIME, "shop"));
        expect_key(&proxy, "").await;
    })
    .await;
}

#[tokio::test]
async fn a_restart_clears_nothing_and_is_caught_up_with() {
    Variant::each(async |variant| {
        let plane = Plane::start().await;
        plane.store.publish(put(layer("shop", 100.0)));
        let proxy = Proxy::start(plane.address, variant, &["shop"], false).await;
        expect_key(&proxy, "100").await;
        let store = Store::new();
        store.publish(Update::new().absent(TypeUrl::RUNTIME, Absent::Withheld));
        let plane = plane.restart(store).await;
        until("the proxy is back", false, async || {
            plane.server.proxies().is_empty()
        })
        .await;
        let subscribed = async || {
            let proxies = plane.server.proxies().list();
            proxies
                .iter()
                .all(|proxy| proxy.of_type(&TypeUrl::RUNTIME).is_some())
        };
        until("the subscription", true, subscribed).await;
        assert_eq!(proxy.runtime(KEY).await, "100", "{}", proxy.log());
        plane.store.publish(put(layer("shop", 30.0)));
        expect_key(&proxy, "30").await;
        let known = Update::new().absent(TypeUrl::RUNTIME, permissive());
        plane.store.publish(known.remove(TypeUrl::RUNTIME, "shop"));
        expect_key(&proxy, "").await;
    })
    .await;
}

#[tokio::test]
async fn a_bad_layer_is_refused_parked_and_mended() {
    Variant::each(async |variant| {
        let plane = Plane::start().await;
        plane.store.publish(put(layer("shop", 100.0)));
        let proxy = Proxy::start(plane.address, variant, &["shop"], false).await;
        expect_key(&proxy, "100").await;
        let bad = broken::list("shop");
        let version = bad.version();
        plane.store.publish(put(bad));
        let proxies = plane.server.proxies();
        let refusals = async || {
            proxies
                .programmed(&TypeUrl::RUNTIME, "shop", version)
                .refusals
                .len()
        };
        until("the refusal", 1, refusals).await;
        let refusals = proxies
            .programmed(&TypeUrl::RUNTIME, "shop", version)
            .refusals;
        assert!(refusals[0].1.contains("nvalid"), "{refusals:?}");
        plane.store.publish(put(layer("other", 1.0)));
        let rejected = proxy.rejected().await;
        assert!(
            matches!(&rejected[..], [one] if one.ends_with(": 1")),
            "{rejected:?}"
        );
        assert_eq!(proxy.runtime(KEY).await, "100");
        let good = layer("shop", 20.0);
        let version = good.version();
        plane.store.publish(put(good));
        expect_key(&proxy, "20").await;
        until("the ACK", 1, async || {
            proxies.programmed(&TypeUrl::RUNTIME, "shop", version).acked
        })
        .await;
        assert_eq!(
            proxy.rejected().await.len(),
            1,
            "{:?}",
            proxy.rejected().await
        );
    })
    .await;
}

#[tokio::test]
async fn a_layer_with_a_ttl_outlives_it_only_while_the_server_does() {
    let ttl = Duration::from_millis(1_500);
    Variant::each(async |variant| {
        let plane = Plane::start().await;
        plane.store.publish(put(layer("shop", 100.0).with_ttl(ttl)));
        let proxy = Proxy::start(plane.address, variant, &["shop"], false).await;
        expect_key(&proxy, "100").await;
        let heard_of = async || proxy.stat("runtime.load_success").await;
        let loaded = heard_of().await;
        let shown = async || proxy.runtime(KEY).await;
        throughout("the layer", ttl * 2, "100".to_owned(), shown).await;
        if variant.delta {
            assert_eq!(heard_of().await, loaded, "a heartbeat is no update");
        }
        plane.stop().await;
        expect_key(&proxy, "").await;
    })
    .await;
}
