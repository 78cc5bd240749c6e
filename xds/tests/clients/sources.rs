//! A listener that finds the same things as before, by a source of which a byte has changed.

use fusegate_xds::{TypeUrl, Update};

use crate::authority::Authority;
use crate::front::{Front, Routing, SCOPE_HEADER};
use crate::http::Client;
use crate::ports::{free_port, local};
use crate::proxy::{Proxy, Variant};
use crate::resources::{Mesh, routes, scope, token};
use crate::scopes::{expect, plane_of_two};
use crate::wait::until;

#[tokio::test]
async fn a_listener_of_changed_sources_has_its_certificate_and_filters() {
    Variant::each(async |variant| {
        let (mesh, authority) = (Mesh { variant }, Authority::new());
        let (plane, _upstreams) = plane_of_two(mesh).await;
        let front = Front {
            certificate: "certificate",
            routing: Routing::Scoped,
            ..Front::on(free_port())
        };
        plane.store.publish(
            Update::new()
                .put(front.listener(mesh))
                .put(routes("routes", "one"))
                .put(scope("a", "a", "routes"))
                .put(mesh.injector("injector", ""))
                .put(authority.secret("certificate").0)
                .put(token("token")),
        );
        let proxy = Proxy::start(plane.address, variant, &[], true).await;
        let client = || {
            let client = Client::to(local(front.port)).tls(authority.trusted());
            client.header(SCOPE_HEADER, "a")
        };
        expect(client, 200, "one token").await;
        let changed = Front {
            patience: 5,
            ..front
        };
        plane
            .store
            .publish(Update::new().put(changed.listener(mesh)));
        plane.taken(&TypeUrl::LISTENER, "listener").await;
        let modified = async || proxy.stat("listener_manager.listener_modified").await;
        until("the changed listener", Some(1), modified).await;
        let warming = async || proxy.stat("listener_manager.total_listeners_warming").await;
        until("no listener that warms", Some(0), warming).await;
        expect(client, 200, "one token").await;
        assert_eq!(proxy.rejected().await, [""; 0], "{variant:?}");
    })
    .await;
}
