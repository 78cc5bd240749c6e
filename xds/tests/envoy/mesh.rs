//! Listeners, routes, clusters, endpoints, extensions and secrets, with traffic through them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fusegate_xds::{TypeUrl, Update};
use tokio::net::TcpListener;

use crate::http;
use crate::plane::Plane;
use crate::proxy::{Proxy, Variant};
use crate::resources::{Mesh, endpoints, routes, secret};
use crate::upstream::Upstream;
use crate::wait::until;

const TIMEOUT: Duration = Duration::from_secs(1);

/// A mesh in which everything goes to the cluster `one`, at `upstream`.
pub(crate) fn whole(mesh: Mesh, port: u16, upstream: SocketAddr) -> Update {
    Update::new()
        .put(mesh.listener(port))
        .put(routes("one"))
        .put(mesh.cluster("one", TIMEOUT))
        .put(endpoints("one", upstream))
        .put(mesh.injector(""))
        .put(secret("token-1"))
}

/// A port that nothing listens on at the moment.
pub(crate) async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

pub(crate) async fn expect(listener: SocketAddr, status: u16, body: &str) {
    let expected = (status, body.to_owned());
    until("the answer through Envoy", expected, async || {
        http::get(listener, "/").await
    })
    .await;
}

#[tokio::test]
async fn traffic_follows_every_kind_of_change() {
    for variant in Variant::ALL {
        let (one, two) = (Upstream::start("one").await, Upstream::start("two").await);
        let (plane, mesh, port) = (Plane::start().await, Mesh { variant }, free_port().await);
        let listener = SocketAddr::from(([127, 0, 0, 1], port));
        let publish = |update: Update| plane.store.publish(update);
        publish(whole(mesh, port, one.address));
        let proxy = Proxy::start(plane.address, variant, &[], true).await;
        expect(listener, 200, "one token-1").await;
        publish(Update::new().put(secret("token-2")));
        expect(listener, 200, "one token-2").await;
        publish(Update::new().put(mesh.injector("my-")));
        expect(listener, 200, "one my-token-2").await;
        publish(Update::new().put(endpoints("one", two.address)));
        expect(listener, 200, "two my-token-2").await;
        // The cluster changes and its endpoints don't: it must not wait for them for ever (rule 33).
        publish(Update::new().put(mesh.cluster("one", TIMEOUT * 2)));
        let warm = async || proxy.stat("cluster_manager.cluster_modified").await;
        until("the changed cluster is in use", Some(1), warm).await;
        expect(listener, 200, "two my-token-2").await;
        let more = Update::new()
            .put(mesh.cluster("two", TIMEOUT))
            .put(endpoints("two", one.address));
        publish(more.put(routes("two")));
        expect(listener, 200, "one my-token-2").await;
        publish(
            Update::new()
                .remove(TypeUrl::CLUSTER, "one")
                .remove(TypeUrl::ENDPOINT, "one"),
        );
        let clusters = async || proxy.stat("cluster_manager.active_clusters").await;
        until("the clusters: the plane's and `two`", Some(2), clusters).await;
        publish(Update::new().remove(TypeUrl::LISTENER, "listener"));
        expect(listener, 0, "").await;
        let rejected = async || proxy.rejected().await;
        until("nothing was refused", Vec::new(), rejected).await;
    }
}

#[tokio::test]
async fn clusters_are_renamed_under_load_without_a_failed_request() {
    for variant in Variant::ALL.into_iter().filter(|variant| variant.ads) {
        let upstream = Upstream::start("up").await;
        let (plane, mesh, port) = (Plane::start().await, Mesh { variant }, free_port().await);
        let listener = SocketAddr::from(([127, 0, 0, 1], port));
        plane.store.publish(whole(mesh, port, upstream.address));
        let proxy = Proxy::start(plane.address, variant, &[], true).await;
        expect(listener, 200, "up token-1").await;
        let done = AtomicBool::new(false);
        let load = async {
            let mut answers = 0;
            while !done.load(Ordering::Relaxed) {
                let answer = http::get(listener, "/").await;
                assert_eq!(
                    answer,
                    (200, "up token-1".to_owned()),
                    "{variant:?} after {answers}: {}",
                    proxy.log()
                );
                answers += 1;
            }
            answers
        };
        let rename = async {
            let mut before = "one".to_owned();
            for round in 0..20 {
                let after = format!("round-{round}");
                plane.store.publish(
                    Update::new()
                        .put(mesh.cluster(&after, TIMEOUT))
                        .put(endpoints(&after, upstream.address))
                        .put(routes(&after))
                        .remove(TypeUrl::CLUSTER, &before)
                        .remove(TypeUrl::ENDPOINT, &before),
                );
                let name = format!("cluster.{after}.upstream_rq_200");
                until("traffic on the new cluster", true, async || {
                    proxy.stat(&name).await.is_some()
                })
                .await;
                before = after;
            }
            done.store(true, Ordering::Relaxed);
        };
        let (answers, ()) = tokio::join!(load, rename);
        assert!(answers > 20, "{answers} requests are no load");
        let clusters = async || proxy.stat("cluster_manager.active_clusters").await;
        until("the old clusters are gone", Some(2), clusters).await;
    }
}

#[tokio::test]
async fn a_bad_cluster_is_refused_beside_good_ones_and_mended() {
    for variant in Variant::ALL {
        let upstream = Upstream::start("up").await;
        let (plane, mesh, port) = (Plane::start().await, Mesh { variant }, free_port().await);
        let listener = SocketAddr::from(([127, 0, 0, 1], port));
        plane.store.publish(whole(mesh, port, upstream.address));
        let proxy = Proxy::start(plane.address, variant, &[], true).await;
        expect(listener, 200, "up token-1").await;
        let bad = mesh.cluster("bad", Duration::ZERO);
        plane.store.publish(Update::new().put(bad));
        let refused = async || {
            let proxies = plane.server.proxies().list();
            let refusals = proxies
                .iter()
                .filter_map(|proxy| proxy.of_type(&TypeUrl::CLUSTER)?.nacked.clone());
            refusals
                .map(|refused| refused.rejection.message)
                .collect::<String>()
        };
        until("the refusal in Envoy's words", true, async || {
            refused().await.contains("bad")
        })
        .await;
        expect(listener, 200, "up token-1").await;
        let rejections = proxy.stat("cluster_manager.cds.update_rejected").await;
        plane.store.publish(Update::new().put(secret("token-2")));
        expect(listener, 200, "up token-2").await;
        assert_eq!(
            proxy.stat("cluster_manager.cds.update_rejected").await,
            rejections,
            "it was parked"
        );
        let mended = mesh.cluster("bad", TIMEOUT);
        plane.store.publish(
            Update::new()
                .put(mended)
                .put(endpoints("bad", upstream.address))
                .put(routes("bad")),
        );
        let on_it = async || proxy.stat("cluster.bad.upstream_rq_200").await.is_some();
        until("traffic on the mended cluster", true, async || {
            http::get(listener, "/").await;
            on_it().await
        })
        .await;
    }
}
