//! Scopes and hosts: SRDS, which finds the routes by a header, and VHDS, which fetches hosts when they are asked for.

use envoy_types::pb::envoy::config::route::v3::VirtualHost;
use fusegate_xds::{Resource, TypeUrl, Update};

use crate::front::{Front, Routing, SCOPE_HEADER};
use crate::http::Client;
use crate::load::Load;
use crate::plane::Plane;
use crate::ports::{free_port, local};
use crate::proxy::{Proxy, Variant};
use crate::resources::{Mesh, endpoints, host, routes, routes_of_hosts, scope};
use crate::upstream::Upstream;
use crate::wait::until;
use crate::world::TIMEOUT;

/// A plane whose clusters `one` and `two` have an upstream each.
pub(crate) async fn plane_of_two(mesh: Mesh) -> (Plane, [Upstream; 2]) {
    let plane = Plane::start().await;
    let upstreams = [Upstream::start("one").await, Upstream::start("two").await];
    plane.store.publish(
        Update::new()
            .put(mesh.cluster("one", TIMEOUT))
            .put(mesh.cluster("two", TIMEOUT))
            .put(endpoints("one", &[upstreams[0].address]))
            .put(endpoints("two", &[upstreams[1].address])),
    );
    (plane, upstreams)
}

/// A new client comes to get this status, with a body that begins so.
pub(crate) async fn expect(client: impl Fn() -> Client, status: u16, body: &str) {
    until("the answer through Envoy", Ok((status, true)), async || {
        let answer = client().get("/").await;
        answer.map(|(status, got)| (status, got.starts_with(body)))
    })
    .await;
}

#[tokio::test]
async fn scopes_are_added_changed_renamed_and_removed_under_load() {
    Variant::each(async |variant| {
        let mesh = Mesh { variant };
        let (plane, _upstreams) = plane_of_two(mesh).await;
        let front = Front {
            routing: Routing::Scoped,
            injector: "",
            ..Front::on(free_port())
        };
        let of = |scope: &str| Client::to(local(front.port)).header(SCOPE_HEADER, scope);
        plane.store.publish(
            Update::new()
                .put(front.listener(mesh))
                .put(routes("first", "one"))
                .put(routes("second", "two"))
                .put(scope("a", "a", "first")),
        );
        let proxy = Proxy::start(plane.address, variant, &[], true).await;
        expect(|| of("a"), 200, "one").await;
        expect(|| of("b"), 404, "").await;
        let load = Load::start(&format!("load of a scope, {variant:?}"), of("a"));
        plane
            .store
            .publish(Update::new().put(scope("b", "b", "second")));
        expect(|| of("b"), 200, "two").await;
        plane
            .store
            .publish(Update::new().put(scope("a", "a", "second")));
        load.settles_on("two none").await;
        let renamed = Update::new().put(scope("other", "b", "second"));
        plane
            .store
            .publish(renamed.remove(TypeUrl::SCOPED_ROUTE, "b"));
        plane.taken(&TypeUrl::SCOPED_ROUTE, "other").await;
        expect(|| of("b"), 200, "two").await;
        plane
            .store
            .publish(Update::new().put(scope("other", "c", "first")));
        expect(|| of("c"), 200, "one").await;
        expect(|| of("b"), 404, "").await;
        plane
            .store
            .publish(Update::new().remove(TypeUrl::SCOPED_ROUTE, "other"));
        expect(|| of("c"), 404, "").await;
        load.goes_on(10).await;
        load.stop().await;
        assert_eq!(proxy.rejected().await, [""; 0], "{variant:?}");
    })
    .await;
}

/// The protocol has VHDS in delta only.
#[tokio::test]
async fn hosts_are_fetched_on_demand_and_follow_what_is_published() {
    let variants = Variant::ALL.into_iter().filter(|variant| variant.delta);
    let tests = variants.map(async |variant| {
        let mesh = Mesh { variant };
        let (plane, _upstreams) = plane_of_two(mesh).await;
        let front = Front {
            routing: Routing::OnDemand("routes"),
            injector: "",
            ..Front::on(free_port())
        };
        plane.store.publish(
            Update::new()
                .put(front.listener(mesh))
                .put(routes_of_hosts(mesh, "routes"))
                .put(of_host("shop.test", "one"))
                .put(of_host("bank.test", "two")),
        );
        let proxy = Proxy::start(plane.address, variant, &[], true).await;
        let client = |host: &str| Client::to(local(front.port)).host(host);
        expect(|| client("shop.test"), 200, "one").await;
        let load = Load::start(&format!("load of a host, {variant:?}"), client("shop.test"));
        expect(|| client("bank.test"), 200, "two").await;
        plane
            .store
            .publish(Update::new().put(of_host("shop.test", "two")));
        load.settles_on("two none").await;
        plane
            .store
            .publish(Update::new().put(of_host("later.test", "one")));
        expect(|| client("later.test"), 200, "one").await;
        plane
            .store
            .publish(Update::new().remove(TypeUrl::VIRTUAL_HOST, "routes/later.test"));
        load.goes_on(10).await;
        load.stop().await;
        assert_eq!(proxy.rejected().await, [""; 0], "{variant:?}");
    });
    futures::future::join_all(tests).await;
}

/// The virtual host of one domain, under the name by which Envoy asks for it.
fn of_host(domain: &str, cluster: &str) -> Resource {
    let name = format!("routes/{domain}");
    let message: VirtualHost = host(&name, domain, cluster);
    Resource::from_message(&name, &message)
}
