//! Hosts on demand: what Envoy makes of those that exist, of those that don't, and of aliases, over many route configurations.

use envoy_types::pb::envoy::config::route::v3::VirtualHost;
use fusegate_xds::{Resource, Update};

use crate::front::{Front, Routing};
use crate::http::Client;
use crate::ports::{free_port, local};
use crate::proxy::{Proxy, Variant};
use crate::resources::{Mesh, host, routes_of_hosts};
use crate::scopes::{expect, plane_of_two};

/// How many route configurations there are.
const CONFIGURATIONS: [&str; 3] = ["first", "second", "third"];

#[tokio::test]
async fn unknown_hosts_are_refused_and_aliases_lead_where_they_should() {
    let variants = Variant::ALL.into_iter().filter(|variant| variant.delta);
    let tests = variants.map(async |variant| {
        let mesh = Mesh { variant };
        let (plane, _upstreams) = plane_of_two(mesh).await;
        let fronts = CONFIGURATIONS.map(|name| Front {
            name,
            routing: Routing::OnDemand(name),
            injector: "",
            ..Front::on(free_port())
        });
        let shown = fronts.iter().zip(CONFIGURATIONS);
        let update = shown.fold(Update::new(), |update, (front, name)| {
            update
                .put(front.listener(mesh))
                .put(routes_of_hosts(mesh, name))
        });
        plane.store.publish(
            update
                .put(of_hosts("first", &["shop.test"], "one"))
                .put(of_hosts("second", &["bank.test", "nick.test"], "two")),
        );
        let proxy = Proxy::start(plane.address, variant, &[], true).await;
        let client = |place: usize, host: &str| Client::to(local(fronts[place].port)).host(host);
        expect(|| client(0, "shop.test"), 200, "one").await;
        expect(|| client(1, "bank.test"), 200, "two").await;
        expect(|| client(1, "nick.test"), 200, "two").await;
        for place in 0..CONFIGURATIONS.len() {
            expect(|| client(place, "nobody.test"), 404, "").await;
        }
        expect(|| client(2, "shop.test"), 404, "").await;
        let later = Update::new().put(of_hosts("third", &["nobody.test"], "one"));
        plane.store.publish(later);
        expect(|| client(2, "nobody.test"), 200, "one").await;
        expect(|| client(0, "nobody.test"), 404, "").await;
        assert_eq!(proxy.rejected().await, [""; 0], "{variant:?}");
    });
    futures::future::join_all(tests).await;
}

/// The virtual host of these domains in the route configuration `routes`; Envoy asks for any of them.
fn of_hosts(routes: &str, domains: &[&str], cluster: &str) -> Resource {
    let names: Vec<String> = domains
        .iter()
        .map(|domain| format!("{routes}/{domain}"))
        .collect();
    let message = VirtualHost {
        domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
        ..host(&names[0], domains[0], cluster)
    };
    Resource::from_message(&names[0], &message).with_aliases(names.iter().map(String::as_str))
}
