//! A mesh that lives: everything in it is added, changed, renamed and removed under load, and no request fails.

use std::collections::BTreeMap;

use fusegate_xds::{Absent, TypeUrl, Update};

use crate::front::{Front, Routing};
use crate::http;
use crate::plane::Plane;
use crate::ports::{free_port, local};
use crate::proxy::Variant;
use crate::resources::{endpoints, routes, token};
use crate::wait::until;
use crate::world::{KEY, TIMEOUT, World, layer, step};

#[tokio::test]
async fn nothing_that_changes_under_load_fails_a_request() {
    Variant::each(async |variant| {
        let mut world = World::start(variant).await;
        endpoints_come_and_go(&world).await;
        clusters_change_and_are_renamed(&world).await;
        routes_are_renamed(&mut world).await;
        all_is_renamed_at_once(&mut world).await;
        listeners_change_and_are_renamed(&mut world).await;
        listeners_come_and_go(&world).await;
        secrets_rotate_and_are_renamed(&mut world).await;
        extensions_change_and_are_renamed(&mut world).await;
        layers_change(&world).await;
        assert_eq!(world.proxy.rejected().await, [""; 0], "{variant:?}");
        let answers = world.plain_load.stop().await + world.encrypted_load.stop().await;
        assert!(answers > 200, "{answers} requests are no load");
    })
    .await;
}

async fn endpoints_come_and_go(world: &World) {
    let (one, two) = (world.one.address, world.two.address);
    world.put(endpoints("one", &[one, two]));
    world.stat("cluster.one.membership_total", 2).await;
    world.put(endpoints("one", &[two]));
    world.settles_on("two token").await;
    world.put(endpoints("one", &[one]));
    world.settles_on("one token").await;
}

async fn clusters_change_and_are_renamed(world: &World) {
    let (mesh, one) = (world.mesh, world.one.address);
    // The cluster changes and its endpoints don't: it must not wait for them for ever (rule 33).
    world.put(mesh.cluster("one", TIMEOUT * 2));
    world.stat("cluster_manager.cluster_modified", 1).await;
    world.goes_on().await;
    let mut before = "one".to_owned();
    for after in ["a", "b", "c", "d", "one"] {
        let shown = [(TypeUrl::CLUSTER, after), (TypeUrl::ENDPOINT, after)];
        let old = before.clone();
        world
            .change(vec![
                step(
                    move |update| {
                        update
                            .put(mesh.cluster(after, TIMEOUT))
                            .put(endpoints(after, &[one]))
                    },
                    &shown,
                ),
                step(
                    move |update| update.put(routes("routes", after)),
                    &[(TypeUrl::ROUTE, "routes")],
                ),
                step(
                    move |update| {
                        update
                            .remove(TypeUrl::CLUSTER, &old)
                            .remove(TypeUrl::ENDPOINT, &old)
                    },
                    &[],
                ),
            ])
            .await;
        let traffic = format!("cluster.{after}.upstream_rq_200");
        until("traffic on the new cluster", true, async || {
            world.proxy.stat(&traffic).await > Some(0)
        })
        .await;
        // The plane's, and the one that is left.
        world.stat("cluster_manager.active_clusters", 2).await;
        world.goes_on().await;
        after.clone_into(&mut before);
    }
}

async fn routes_are_renamed(world: &mut World) {
    for (before, after) in [("routes", "ways"), ("ways", "routes")] {
        world.plain.routing = Routing::Named(after);
        world.encrypted.routing = Routing::Named(after);
        let listeners = Update::new()
            .put(world.plain.listener(world.mesh))
            .put(world.encrypted.listener(world.mesh));
        let loaded = format!("http.test.rds.{after}.config_reload");
        world.publish(
            listeners
                .put(routes(after, "one"))
                .remove(TypeUrl::ROUTE, before),
        );
        until("the renamed routes", true, async || {
            world.proxy.stat(&loaded).await > Some(0)
        })
        .await;
        world
            .stat("listener_manager.total_listeners_warming", 0)
            .await;
        world.goes_on().await;
    }
}

/// A connection on a listener that drains goes by the routes that it had, which lead to a cluster that is gone as well.
async fn all_is_renamed_at_once(world: &mut World) {
    if !world.variant.ads {
        return; // Nothing orders the types: the publisher does it in steps.
    }
    let (mesh, one) = (world.mesh, world.one.address);
    for (before, after) in [
        (("routes", "one"), ("ways", "other")),
        (("ways", "other"), ("routes", "one")),
    ] {
        world.plain.routing = Routing::Named(after.0);
        world.encrypted.routing = Routing::Named(after.0);
        let new = Update::new()
            .put(world.plain.listener(mesh))
            .put(world.encrypted.listener(mesh))
            .put(routes(after.0, after.1))
            .put(mesh.cluster(after.1, TIMEOUT))
            .put(endpoints(after.1, &[one]));
        world.publish(
            new.remove(TypeUrl::ROUTE, before.0)
                .remove(TypeUrl::CLUSTER, before.1)
                .remove(TypeUrl::ENDPOINT, before.1),
        );
        let traffic = format!("cluster.{}.upstream_rq_200", after.1);
        let seen = world.proxy.stat(&traffic).await;
        until("traffic on the new cluster", true, async || {
            world.proxy.stat(&traffic).await > seen
        })
        .await;
        world.goes_on().await;
        // The plane's, and the one that is left: the old routes are in use no longer.
        world.stat("cluster_manager.active_clusters", 2).await;
    }
}

async fn listeners_change_and_are_renamed(world: &mut World) {
    for (stat_prefix, name) in [
        ("first", "listener"),
        ("second", "front"),
        ("test", "listener"),
    ] {
        let before = world.plain;
        world.plain = Front {
            name,
            stat_prefix,
            ..before
        };
        let mut update = Update::new();
        if before.name != name {
            update = update.remove(TypeUrl::LISTENER, before.name);
        }
        world.publish(update.put(world.plain.listener(world.mesh)));
        let traffic = format!("http.{stat_prefix}.downstream_rq_2xx");
        let seen = world.proxy.stat(&traffic).await;
        until("traffic on the new listener", true, async || {
            world.proxy.stat(&traffic).await > seen
        })
        .await;
        world.goes_on().await;
    }
}

async fn listeners_come_and_go(world: &World) {
    let another = Front {
        name: "another",
        ..Front::on(free_port())
    };
    let look = async || http::get(local(another.port), "/").await;
    world.put(another.listener(world.mesh));
    until("another listener", (200, "one token".into()), look).await;
    world.publish(Update::new().remove(TypeUrl::LISTENER, "another"));
    until("the listener to go", (0, String::new()), look).await;
    world.goes_on().await;
}

async fn secrets_rotate_and_are_renamed(world: &mut World) {
    world.put(token("other"));
    world.settles_on("one other").await;
    world.put(token("token"));
    world.settles_on("one token").await;
    let (secret, rotated) = world.authority.secret("certificate");
    world.put(secret);
    world.shows(&rotated).await;
    world.goes_on().await;
    let (secret, renamed) = world.authority.secret("renamed");
    world.encrypted.certificate = "renamed";
    let update = Update::new()
        .put(world.encrypted.listener(world.mesh))
        .put(secret);
    world.publish(update.remove(TypeUrl::SECRET, "certificate"));
    world.shows(&renamed).await;
    world.goes_on().await;
}

async fn extensions_change_and_are_renamed(world: &mut World) {
    world.put(world.mesh.injector("injector", "my-"));
    world.settles_on("one my-token").await;
    world.plain.injector = "renamed";
    world.encrypted.injector = "renamed";
    let update = Update::new()
        .put(world.plain.listener(world.mesh))
        .put(world.encrypted.listener(world.mesh))
        .put(world.mesh.injector("renamed", "your-"));
    world.publish(update.remove(TypeUrl::EXTENSION_CONFIG, "injector"));
    world.settles_on("one your-token").await;
    world.put(world.mesh.injector("renamed", ""));
    world.settles_on("one token").await;
}

async fn layers_change(world: &World) {
    let shown = async |value: &str| {
        let look = async || world.proxy.runtime(KEY).await;
        until("the layer", value.to_owned(), look).await;
    };
    world.put(layer("shop", 2));
    shown("2").await;
    world.put(layer("beat", 3));
    shown("3").await;
    world.publish(Update::new().remove(TypeUrl::RUNTIME, "beat"));
    shown("2").await;
    world.goes_on().await;
}

#[tokio::test]
async fn a_restart_in_the_middle_fails_no_request_and_reloads_nothing() {
    Variant::each(async |variant| {
        let mut world = World::start(variant).await;
        world.beat().await;
        let before = reloads(&world).await;
        for _ in 0..2 {
            let store = world.plane.published_anew();
            // As long as the publisher may not know everything yet, nothing may be taken away.
            store.publish(Update::new().absent(TypeUrl::RUNTIME, Absent::Withheld));
            world.plane = Plane::restart(world.plane, store).await;
            world.subscribes_to_everything().await;
            world.beat().await;
            world.goes_on().await;
            assert_eq!(reloads(&world).await, before, "{variant:?}");
        }
        world.put(endpoints("one", &[world.two.address]));
        world.settles_on("two beat-3").await;
        assert_eq!(world.proxy.rejected().await, [""; 0], "{variant:?}");
        world.plain_load.stop().await;
        world.encrypted_load.stop().await;
    })
    .await;
}

impl World {
    /// Waits until the plane has every subscription of the proxy.
    async fn subscribes_to_everything(&self) {
        for type_url in [
            TypeUrl::LISTENER,
            TypeUrl::ROUTE,
            TypeUrl::CLUSTER,
            TypeUrl::ENDPOINT,
            TypeUrl::SECRET,
            TypeUrl::EXTENSION_CONFIG,
            TypeUrl::RUNTIME,
        ] {
            let what = format!("the subscription to {type_url:?}");
            until(&what, true, async || {
                let proxies = self.plane.server.proxies().list();
                proxies
                    .iter()
                    .any(|proxy| proxy.of_type(&type_url).is_some())
            })
            .await;
        }
    }
}

/// How often anything was built anew.
async fn reloads(world: &World) -> BTreeMap<&'static str, Option<u64>> {
    let mut reloads = BTreeMap::new();
    for name in [
        "cluster_manager.cluster_added",
        "cluster_manager.cluster_modified",
        "cluster_manager.cluster_removed",
        "listener_manager.listener_added",
        "listener_manager.listener_modified",
        "listener_manager.listener_removed",
        "http.test.rds.routes.config_reload",
        "cluster.one.membership_change",
        "extension_config_discovery.http_filter.injector.config_reload",
        "listener.127.0.0.1_0.server_ssl_socket_factory.ssl_context_update_by_sds",
    ] {
        reloads.insert(name, world.proxy.stat(name).await);
    }
    reloads
}
