//! The scenarios: what a client makes of a mesh that changes, and of servers that come and go.

use std::time::Duration;

use fusegate_xds::snapshot::Failure;
use fusegate_xds::{Absent, Config, Store, TypeUrl, Update};

use super::Peer;
use crate::grpc::client::{Calls, Client};
use crate::grpc::resources::{
    TARGET, cluster, endpoints, endpoints_of, listener, listener_to, mesh, refused_cluster,
};
use crate::grpc::upstream::Upstream;
use crate::plane::Plane;
use crate::resources::routes;
use crate::wait::until;

/// The types that a gRPC client asks for.
const TYPES: [TypeUrl; 4] = [
    TypeUrl::LISTENER,
    TypeUrl::ROUTE,
    TypeUrl::CLUSTER,
    TypeUrl::ENDPOINT,
];

async fn two() -> [Upstream; 2] {
    [Upstream::start("one").await, Upstream::start("two").await]
}

/// No endpoint has less than half of its share, or more than twice as much: some clients draw lots.
pub(super) async fn calls_are_answered_and_spread_over_all_endpoints(peer: Peer) {
    let plane = Plane::start().await;
    let names = ["one", "three", "two"];
    let upstreams = [
        Upstream::start(names[0]).await,
        Upstream::start(names[1]).await,
        Upstream::start(names[2]).await,
    ];
    let addresses = upstreams.each_ref().map(|upstream| upstream.address);
    plane.store.publish(mesh().put(endpoints(&addresses, &[])));
    let client = peer.start(&plane);
    until("calls that are spread", names.to_vec(), async || {
        let calls = client.call(90).await;
        assert!(calls.failures.is_empty(), "{calls:?}");
        let fair = names.iter().filter(|name| {
            let share = calls.answers.get(**name).copied().unwrap_or(0);
            (15..=60).contains(&share)
        });
        fair.copied().collect()
    })
    .await;
    plane.taken(&TypeUrl::ENDPOINT, "shop").await;
}

pub(super) async fn endpoints_that_change_are_followed(peer: Peer) {
    // Those that accept gzip have to read it.
    let config = Config {
        gzip_from: 0,
        ..Config::default()
    };
    let plane = Plane::start_with(config).await;
    let upstreams = two().await;
    let [one, two] = [upstreams[0].address, upstreams[1].address];
    plane.store.publish(mesh().put(endpoints(&[one, two], &[])));
    let client = peer.start(&plane);
    client.reaches(&["one", "two"]).await;
    for (upstreams, names) in [
        (vec![two], vec!["two"]),
        (vec![one, two], vec!["one", "two"]),
        (vec![one], vec!["one"]),
    ] {
        let update = Update::new().put(endpoints(&upstreams, &[]));
        plane.store.publish(update);
        client.reaches(&names).await;
    }
    for type_url in [TypeUrl::LISTENER, TypeUrl::ROUTE, TypeUrl::CLUSTER] {
        assert_eq!(plane.refusal(&type_url), None);
    }
}

pub(super) async fn a_route_that_is_moved_there_and_back_is_followed(peer: Peer) {
    let plane = Plane::start().await;
    let upstreams = two().await;
    let to = |name: &str| Update::new().put(routes("routes", name));
    let there = ["one", "two"].iter().zip(&upstreams);
    let update = there.fold(to("one").put(listener()), |update, (name, upstream)| {
        let upstream = endpoints_of(name, &[upstream.address], &[]);
        update.put(cluster(name)).put(upstream)
    });
    plane.store.publish(update);
    let client = peer.start(&plane);
    client.reaches(&["one"]).await;
    for name in ["two", "one", "two", "one"] {
        plane.store.publish(to(name));
        settles_on(peer, &plane, &client, name).await;
    }
}

/// Calls until `name` alone answers, none of the calls failing on the way.
async fn settles_on(peer: Peer, plane: &Plane, client: &Client, name: &str) {
    until("the answers", true, async || {
        let calls = client.call(20).await;
        none_is_lost(peer, plane, &calls).await;
        calls.answers.keys().eq([name])
    })
    .await;
}

/// None of the calls failed, but for what is no server's doing.
async fn none_is_lost(peer: Peer, plane: &Plane, calls: &Calls) {
    for told in calls.failures.keys() {
        let Some(cluster) = peer.lacks_balancer_of(told) else {
            panic!("{calls:?}");
        };
        // It had been sent all that makes one, and had taken it.
        for type_url in [TypeUrl::CLUSTER, TypeUrl::ENDPOINT] {
            plane.was_taken(&type_url, cluster).await;
        }
    }
}

/// Renames come alone, and two at a time, so that the client asks for what is gone already.
pub(super) async fn renames_in_a_row_lose_no_call(peer: Peer) {
    let plane = Plane::start().await;
    let upstreams = [Upstream::start("even").await, Upstream::start("odd").await];
    let name = |number: usize| format!("cluster-{number}");
    let adding = |number: usize| {
        let upstream = upstreams[number % 2].address;
        Update::new()
            .put(cluster(&name(number)))
            .put(endpoints_of(&name(number), &[upstream], &[]))
            .put(routes("routes", &name(number)))
    };
    plane.store.publish(adding(0).put(listener()));
    let client = peer.start(&plane);
    client.reaches(&["even"]).await;
    let mut number = 0;
    for round in 0..60 {
        for _ in 0..=(round % 3) / 2 {
            let gone = name(number);
            number += 1;
            let update = adding(number).remove(TypeUrl::CLUSTER, &gone);
            plane.store.publish(update.remove(TypeUrl::ENDPOINT, &gone));
        }
        let calls = client.call(40).await;
        none_is_lost(peer, &plane, &calls).await;
    }
    settles_on(peer, &plane, &client, ["even", "odd"][number % 2]).await;
    plane.taken(&TypeUrl::CLUSTER, &name(number)).await;
}

impl Peer {
    /// The cluster of which the client says that it has no balancer, though it has all that makes one.
    ///
    /// gRPC for Go, in 1.85.0, lets calls choose by its new routes in `ClientConn.applyServiceConfigAndBalancer`,
    /// and only then, in `updateResolverStateAndUnlock`, gives the balancers of their clusters to the picker (both in `clientconn.go`).
    /// Whoever calls between the two is told this by `internal/xds/balancer/clustermanager/picker.go`, whatever any server does.
    /// With 50 ms of sleep between the two, calls fail in each round; with the two exchanged none does, with the same sleep on both sides.
    /// grpc-java had the same (its pull request 11947).
    fn lacks_balancer_of(self, told: &str) -> Option<&str> {
        let told = told.strip_prefix("Unavailable: unknown cluster selected for RPC: \"cluster:");
        told?.strip_suffix('"').filter(|_| self == Self::Go)
    }
}

pub(super) async fn what_is_refused_harms_nobody_and_is_mended(peer: Peer) {
    let plane = Plane::start().await;
    let upstreams = two().await;
    let of = |place: usize| endpoints(&[upstreams[place].address], &[]);
    plane.store.publish(mesh().put(of(0)));
    let client = peer.start(&plane);
    client.reaches(&["one"]).await;
    plane
        .store
        .publish(Update::new().put(refused_cluster("shop")));
    let refused = async || plane.refusal(&TypeUrl::CLUSTER).is_some();
    until("the refusal", true, refused).await;
    client.reaches(&["one"]).await;
    plane
        .store
        .publish(Update::new().put(cluster("shop")).put(of(1)));
    client.reaches(&["two"]).await;
    plane.taken(&TypeUrl::CLUSTER, "shop").await;
}

/// The failure of the cluster `shop`.
fn busy() -> Update {
    let failure = Failure {
        code: tonic::Code::Unavailable.into(),
        message: "busy until noon".into(),
    };
    Update::new().fail(TypeUrl::CLUSTER, "shop", failure)
}

pub(super) async fn a_failure_takes_nothing_from_who_has_it(peer: Peer) {
    let plane = Plane::start().await;
    let upstreams = two().await;
    let of = |place: usize| Update::new().put(endpoints(&[upstreams[place].address], &[]));
    plane.store.publish(mesh());
    plane.store.publish(of(0));
    let client = peer.start(&plane);
    client.reaches(&["one"]).await;
    plane.store.publish(busy());
    for place in [1, 0, 1] {
        plane.store.publish(of(place));
        client.reaches(&[["one", "two"][place]]).await;
    }
    plane.store.publish(Update::new().put(cluster("shop")));
    plane.store.publish(of(0));
    client.reaches(&["one"]).await;
    plane.taken(&TypeUrl::CLUSTER, "shop").await;
}

pub(super) async fn the_words_of_a_failure_arrive(peer: Peer) {
    let plane = Plane::start().await;
    let upstream = Upstream::start("one").await;
    plane
        .store
        .publish(mesh().put(endpoints(&[upstream.address], &[])));
    plane.store.publish(busy());
    let client = peer.start(&plane);
    let calls = client.call(1).await;
    let told: Vec<_> = calls.failures.keys().collect();
    assert!(
        told.len() == 1 && told[0].contains("busy until noon"),
        "{calls:?}"
    );
    plane.store.publish(Update::new().put(cluster("shop")));
    until("answers", true, async || {
        client.call(1).await.failures.is_empty()
    })
    .await;
    client.reaches(&["one"]).await;
}

pub(super) async fn a_server_that_dies_comes_back_with_the_same_with_less_and_empty(peer: Peer) {
    let mut plane = Plane::start().await;
    let upstreams = two().await;
    let [one, two] = [upstreams[0].address, upstreams[1].address];
    plane.store.publish(mesh().put(endpoints(&[one, two], &[])));
    let client = peer.start(&plane);
    client.reaches(&["one", "two"]).await;
    let same = plane.published_anew();
    plane = plane.die_and_restart(same).await;
    back(&plane).await;
    client.reaches(&["one", "two"]).await;
    let less = Store::new();
    less.publish(mesh().put(endpoints(&[two], &[])));
    plane = plane.die_and_restart(less).await;
    back(&plane).await;
    client.reaches(&["two"]).await;
    // A publisher that knows nothing yet takes nothing from anybody.
    let nothing = Store::new();
    let all = |absent: &Absent| {
        let types = TYPES.iter().cloned();
        types.fold(Update::new(), |update, type_url| {
            update.absent(type_url, absent.clone())
        })
    };
    nothing.publish(all(&Absent::Withheld));
    plane = plane.die_and_restart(nothing).await;
    back(&plane).await;
    client.reaches(&["two"]).await;
    plane.store.publish(mesh().put(endpoints(&[one], &[])));
    plane.store.publish(all(&Absent::Missing));
    client.reaches(&["one"]).await;
    plane.taken(&TypeUrl::LISTENER, TARGET).await;
}

async fn back(plane: &Plane) {
    until("the client is back", false, async || {
        plane.server.proxies().is_empty()
    })
    .await;
}

pub(super) async fn connections_that_reach_their_age_cost_no_call(peer: Peer) {
    let config = Config {
        max_connection_age: Duration::from_secs(1),
        ..Config::default()
    };
    let plane = Plane::start_with(config).await;
    let upstreams = two().await;
    let of = |place: usize| endpoints(&[upstreams[place].address], &[]);
    plane.store.publish(mesh().put(of(0)));
    let client = peer.start(&plane);
    // A client may begin so slowly that its first connection is of age before it asks for anything.
    until("the first answer", true, async || {
        client.call(1).await.failures.is_empty()
    })
    .await;
    client.reaches(&["one"]).await;
    for round in 1..=5 {
        let aged = plane.server.counts().connections_aged;
        until("one more connection of age", true, async || {
            let calls = client.call(20).await;
            assert!(calls.failures.is_empty(), "{calls:?}");
            plane.server.counts().connections_aged > aged
        })
        .await;
        plane.store.publish(Update::new().put(of(round % 2)));
        client.reaches(&[["one", "two"][round % 2]]).await;
    }
}

/// Each server has names of its own, as gRPC's proposal A71 has it.
///
/// With the same names on both, gRPC for Go 1.85.0 comes back to the first server with its listener only
/// (`authority.handleRevertingToPrimaryOnUpdate` in `internal/xds/clients/xdsclient/authority.go`):
/// what it first asked the second one for, it asks nobody for any more.
pub(super) async fn a_second_server_serves_while_the_first_is_away(peer: Peer) {
    let (mut first, second) = (Plane::start().await, Plane::start().await);
    let upstreams = two().await;
    let of = |place: usize| {
        let name = ["first", "second"][place];
        Update::new()
            .put(listener_to(name))
            .put(routes(name, name))
            .put(cluster(name))
            .put(endpoints_of(name, &[upstreams[place].address], &[]))
    };
    first.store.publish(of(0));
    second.store.publish(of(1));
    let same = first.published_anew();
    first.die().await;
    let client = peer.start_with(&[&first, &second]);
    client.reaches(&["two"]).await;
    let mut first = first.start_anew(same).await;
    settles_on(peer, &first, &client, "one").await;
    // Who has all that it asks for needs no second server.
    first.die().await;
    second.store.publish(of(1));
    let calls = client.call(40).await;
    assert!(calls.failures.is_empty(), "{calls:?}");
    assert!(calls.answers.keys().eq(["one"]), "{calls:?}");
}

pub(super) async fn calls_are_dropped_as_told(peer: Peer) {
    let plane = Plane::start().await;
    let upstream = Upstream::start("one").await;
    let dropping = |drops: &[(&str, u32)]| endpoints(&[upstream.address], drops);
    plane.store.publish(mesh().put(dropping(&[])));
    let client: Client = peer.start(&plane);
    client.reaches(&["one"]).await;
    for (drops, percent) in [
        (vec![("shed", 50)], 50),
        // Each category is drawn of its own, from what the one before it has left.
        (vec![("shed", 50), ("throttled", 50)], 75),
        (vec![("shed", 100)], 100),
        (vec![], 0),
    ] {
        plane.store.publish(Update::new().put(dropping(&drops)));
        client.drops(percent).await;
    }
    assert_eq!(plane.refusal(&TypeUrl::ENDPOINT), None);
}
