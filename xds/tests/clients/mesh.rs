//! A mesh that is torn down: what is removed is gone.

use std::net::SocketAddr;

use fusegate_xds::{TypeUrl, Update};

use crate::front::Front;
use crate::http;
use crate::plane::Plane;
use crate::ports::{free_port, local};
use crate::proxy::{Proxy, Variant};
use crate::resources::{Mesh, endpoints, routes, token};
use crate::upstream::Upstream;
use crate::wait::until;
use crate::world::TIMEOUT;

/// What everything goes through to the cluster `one`, at `upstream`.
pub(crate) fn whole(mesh: Mesh, front: Front, upstream: SocketAddr) -> Update {
    Update::new()
        .put(front.listener(mesh))
        .put(routes("routes", "one"))
        .put(mesh.cluster("one", TIMEOUT))
        .put(endpoints("one", &[upstream]))
        .put(mesh.injector("injector", ""))
        .put(token("token"))
}

pub(crate) async fn expect(variant: Variant, listener: SocketAddr, status: u16, body: &str) {
    let what = format!("the answer through Envoy, {variant:?}");
    let expected = (status, body.to_owned());
    until(&what, expected, async || http::get(listener, "/").await).await;
}

#[tokio::test]
async fn what_is_removed_is_gone_and_comes_back_when_it_is_published_again() {
    Variant::each(async |variant| {
        let upstream = Upstream::start("up").await;
        let (plane, mesh) = (Plane::start().await, Mesh { variant });
        let front = Front::on(free_port());
        let proxy = Proxy::start(plane.address, variant, &[], true).await;
        let clusters = async || proxy.stat("cluster_manager.active_clusters").await;
        for _ in 0..2 {
            plane.store.publish(whole(mesh, front, upstream.address));
            expect(variant, local(front.port), 200, "up token").await;
            plane
                .store
                .publish(Update::new().remove(TypeUrl::LISTENER, "listener"));
            expect(variant, local(front.port), 0, "").await;
            plane.store.publish(
                Update::new()
                    .remove(TypeUrl::ROUTE, "routes")
                    .remove(TypeUrl::CLUSTER, "one")
                    .remove(TypeUrl::ENDPOINT, "one")
                    .remove(TypeUrl::EXTENSION_CONFIG, "injector")
                    .remove(TypeUrl::SECRET, "token"),
            );
            until("no cluster but the plane's", Some(1), clusters).await;
        }
        assert_eq!(proxy.rejected().await, [""; 0], "{variant:?}");
    })
    .await;
}
