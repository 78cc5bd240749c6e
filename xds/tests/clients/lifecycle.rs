//! Connections that end by their age, and certificates that are replaced, under load.

use std::time::Duration;

use fusegate_xds::runtime::{self, RuntimeValue};
use fusegate_xds::server::Tls;
use fusegate_xds::{Config, Update};

use crate::authority::Authority;
use crate::front::Front;
use crate::http::Client;
use crate::load::Load;
use crate::mesh::{expect, whole};
use crate::plane::Plane;
use crate::ports::{free_port, local};
use crate::proxy::{Proxy, Variant};
use crate::resources::Mesh;
use crate::upstream::Upstream;
use crate::wait::until;

const KEY: &str = "round";
const URI: &str = "spiffe://example.com/ns/shop/sa/edge";

/// So young that each connection ends several times in a test.
const AGE: Duration = Duration::from_millis(400);

fn young(tls: Option<Tls>) -> Config {
    Config {
        max_connection_age: AGE,
        tls,
        ..Config::default()
    }
}

fn round(plane: &Plane, number: u32) {
    let layer = runtime::layer("shop", [(KEY, RuntimeValue::Number(number.into()))]);
    plane.store.publish(Update::new().put(layer));
}

#[tokio::test]
async fn connections_that_reach_their_age_cost_no_request_and_no_change() {
    let run = async |variant| {
        let upstream = Upstream::start("up").await;
        let plane = Plane::start_with(young(None)).await;
        let (mesh, front) = (Mesh { variant }, Front::on(free_port()));
        plane.store.publish(whole(mesh, front, upstream.address));
        let proxy = Proxy::start(plane.address, variant, &["shop"], true).await;
        expect(variant, local(front.port), 200, "up token").await;
        let load = Load::start(&format!("load, {variant:?}"), Client::to(local(front.port)));
        let changes = async {
            for number in 1..=5 {
                let aged = plane.server.counts().connections_aged;
                until("one more connection of age", true, async || {
                    plane.server.counts().connections_aged > aged
                })
                .await;
                round(&plane, number);
                until("the round", number.to_string(), async || {
                    proxy.runtime(KEY).await
                })
                .await;
            }
        };
        changes.await;
        load.goes_on(10).await;
        load.stop().await;
        assert_eq!(proxy.rejected().await, Vec::<String>::new());
        let updates = proxy.stat("cluster_manager.cluster_added").await;
        assert_eq!(updates, Some(2), "its own and the plane's, never again");
    };
    futures::future::join_all(Variant::ALL.map(run)).await;
}

#[tokio::test]
async fn certificates_are_replaced_under_load_and_a_wrong_one_is_not() {
    let variants = Variant::ALL.into_iter().filter(|variant| variant.ads);
    let run = async |variant| {
        let (servers, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
        let upstream = Upstream::start("up").await;
        let tls = Tls::new(&servers.material(&clients)).unwrap();
        let plane = Plane::start_with(young(Some(tls.clone()))).await;
        let (mesh, front) = (Mesh { variant }, Front::on(free_port()));
        plane.store.publish(whole(mesh, front, upstream.address));
        let socket = clients.socket(URI, &servers);
        let proxy = Proxy::start_over_tls(plane.address, variant, &["shop"], socket).await;
        expect(variant, local(front.port), 200, "up token").await;
        let load = Load::start(&format!("load, {variant:?}"), Client::to(local(front.port)));
        let shown = async || proxy.runtime(KEY).await;
        let failures = async || {
            let failed = proxy.stat("cluster.plane.ssl.fail_verify_error").await;
            failed.unwrap_or_default()
        };
        let rotation = async {
            for number in [1, 2] {
                tls.replace(&servers.material(&clients)).unwrap();
                let aged = plane.server.counts().connections_aged;
                until("connections with the new certificate", true, async || {
                    plane.server.counts().connections_aged > aged + 1
                })
                .await;
                round(&plane, number);
                until("the round", number.to_string(), shown).await;
            }
            assert_eq!(failures().await, 0);
            tls.replace(&strangers.material(&clients)).unwrap();
            until("Envoy's doubts", true, async || failures().await > 0).await;
            round(&plane, 3);
            tls.replace(&servers.material(&strangers)).unwrap();
            let refused = plane.server.counts().connections_failed;
            until("the server's doubts", true, async || {
                plane.server.counts().connections_failed > refused + 1
            })
            .await;
            assert_eq!(shown().await, "2", "{}", proxy.log());
            tls.replace(&servers.material(&clients)).unwrap();
            until("the round after all", "3".to_owned(), shown).await;
        };
        rotation.await;
        load.goes_on(10).await;
        load.stop().await;
        let proxies = plane.server.proxies().list();
        let certificates = proxies.iter().map(|proxy| proxy.peer.certificate.clone());
        let named = certificates
            .flatten()
            .all(|certificate| certificate.uris == [URI]);
        assert!(named, "{proxies:?}");
    };
    futures::future::join_all(variants.map(run)).await;
}
