//! gRPC clients of every language: what each makes of a mesh that changes, and of a server that comes back with less.
//!
//! `make test-clients` installs them and runs this.

use std::env;
use std::path::PathBuf;

use fusegate_xds::{Absent, Config, Store, TypeUrl, Update};
use rstest::rstest;
use tokio::process::Command;

use crate::grpc::client::Client;
use crate::grpc::resources::{
    TARGET, cluster, endpoints, endpoints_of, listener, mesh, refused_cluster,
};
use crate::grpc::upstream::Upstream;
use crate::plane::Plane;
use crate::resources::routes;
use crate::wait::until;

/// A client that others wrote.
#[derive(Clone, Copy, Debug)]
enum Peer {
    Go,
    Java,
    Node,
    Python,
    Tonic,
}

impl Peer {
    fn start(self, plane: &Plane) -> Client {
        let folder = folder();
        let mut command = match self {
            Self::Go => Command::new(folder.join("go/client")),
            Self::Java => {
                let mut java = Command::new("java");
                java.arg("-cp").arg(folder.join("java/*")).arg("Client");
                java
            }
            Self::Node => {
                let mut node = Command::new("node");
                node.arg(folder.join("node/client.js"));
                node
            }
            Self::Python => return Client::python(plane.address),
            Self::Tonic => Command::new(folder.join("tonic/client")),
        };
        command.current_dir(&folder);
        let scheme = if matches!(self, Self::Tonic) {
            "http://"
        } else {
            ""
        };
        Client::start(command, &format!("{scheme}{}", plane.address))
    }
}

impl Peer {
    /// Whether the client fails calls with these words by itself, though it has all that it needs.
    ///
    /// grpc-go 1.85 takes its new routes into use a moment before it has the balancer of the cluster that they lead to:
    /// calls of that moment fail, on a busy machine a few dozen of them.
    fn fails_itself(self, told: &str) -> bool {
        matches!(self, Self::Go) && told.contains("unknown cluster selected for RPC")
    }
}

/// Where `xds/tests/clients/peers/install.sh` puts the clients.
fn folder() -> PathBuf {
    let given = env::var_os("FUSEGATE_CLIENTS").filter(|value| !value.is_empty());
    let folder = given.map_or_else(
        || PathBuf::from(env::var_os("HOME").unwrap()).join(".cache/fusegate/clients"),
        PathBuf::from,
    );
    assert!(
        folder.is_dir(),
        "there are no clients at {}: run `make test-clients`, or set FUSEGATE_CLIENTS",
        folder.display()
    );
    folder
}

#[rstest]
#[case::go(Peer::Go)]
#[case::java(Peer::Java)]
#[case::node(Peer::Node)]
#[case::python(Peer::Python)]
#[case::tonic(Peer::Tonic)]
#[tokio::test]
async fn endpoints_that_change_are_followed(#[case] peer: Peer) {
    // Those that accept gzip have to read it.
    let config = Config {
        gzip_from: 0,
        ..Config::default()
    };
    let plane = Plane::start_with(config).await;
    let upstreams = [Upstream::start("one").await, Upstream::start("two").await];
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

/// Renames come alone, and two at a time, so that the client asks for what is gone already.
#[rstest]
#[case::go(Peer::Go)]
#[case::java(Peer::Java)]
#[case::node(Peer::Node)]
#[case::python(Peer::Python)]
#[case::tonic(Peer::Tonic)]
#[tokio::test]
async fn renames_in_a_row_lose_no_call(#[case] peer: Peer) {
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
        let lost = calls
            .failures
            .keys()
            .filter(|told| !peer.fails_itself(told));
        assert_eq!(lost.count(), 0, "round {round}: {calls:?}");
    }
    client.reaches(&[["even", "odd"][number % 2]]).await;
    plane.taken(&TypeUrl::CLUSTER, &name(number)).await;
}

#[rstest]
#[case::go(Peer::Go)]
#[case::java(Peer::Java)]
#[case::node(Peer::Node)]
#[case::python(Peer::Python)]
#[case::tonic(Peer::Tonic)]
#[tokio::test]
async fn a_route_that_is_moved_there_and_back_is_followed(#[case] peer: Peer) {
    let plane = Plane::start().await;
    let upstreams = [Upstream::start("one").await, Upstream::start("two").await];
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
        client.reaches(&[name]).await;
    }
}

/// tonic-xds, as of 0.1.0-alpha.4, takes a cluster of whatever kind.
#[rstest]
#[case::go(Peer::Go)]
#[case::java(Peer::Java)]
#[case::node(Peer::Node)]
#[case::python(Peer::Python)]
#[tokio::test]
async fn what_is_refused_harms_nobody_and_is_mended(#[case] peer: Peer) {
    let plane = Plane::start().await;
    let upstreams = [Upstream::start("one").await, Upstream::start("two").await];
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

#[rstest]
#[case::go(Peer::Go)]
#[case::java(Peer::Java)]
#[case::node(Peer::Node)]
#[case::python(Peer::Python)]
#[case::tonic(Peer::Tonic)]
#[tokio::test]
async fn a_server_that_dies_comes_back_with_the_same_with_less_and_empty(#[case] peer: Peer) {
    let mut plane = Plane::start().await;
    let upstreams = [Upstream::start("one").await, Upstream::start("two").await];
    let [one, two] = [upstreams[0].address, upstreams[1].address];
    plane.store.publish(mesh().put(endpoints(&[one, two], &[])));
    let client = peer.start(&plane);
    client.reaches(&["one", "two"]).await;
    let back = async |plane: &Plane| {
        until("the client is back", false, async || {
            plane.server.proxies().is_empty()
        })
        .await;
    };
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
    let types = [
        TypeUrl::LISTENER,
        TypeUrl::ROUTE,
        TypeUrl::CLUSTER,
        TypeUrl::ENDPOINT,
    ];
    let all = |absent: &Absent| {
        let types = types.iter().cloned();
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
