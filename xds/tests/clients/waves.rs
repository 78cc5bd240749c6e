//! Waves: one Envoy gets a change first, and another only once that one has taken it.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use fusegate_xds::node::Node;
use fusegate_xds::server::Waves;
use fusegate_xds::wave::{Canaries, Cause, Resolve, WavePlan};
use fusegate_xds::{Config, RuntimeValue, Server, Update, runtime};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::bisect::layer;
use crate::proxy::{Proxy, Variant};
use crate::wait::until;

/// A control plane that publishes in waves, and where it listens.
async fn plane(plan: WavePlan) -> (Waves, SocketAddr) {
    let (waves, conductor) = Waves::new(plan);
    let observer = waves.observer(Arc::new(()));
    let server = Server::assigned(Arc::new(waves.clone()), Config::default(), observer);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(conductor.run(server.proxies(), CancellationToken::new()));
    tokio::spawn(async move { server.serve(listener, CancellationToken::new()).await });
    (waves, address)
}

fn bank(value: f64) -> Update {
    Update::new().put(runtime::layer(
        "bank",
        [("flag", RuntimeValue::Number(value))],
    ))
}

#[tokio::test]
async fn a_canary_that_refuses_keeps_a_change_from_the_others() {
    Variant::each(async |variant| {
        let plan = WavePlan {
            canaries: Canaries::percent(50),
            ..WavePlan::default()
        };
        let side = |canary| {
            let mut ids = (0..).map(|number| format!("edge-{number}"));
            let node = |id: &str| Node {
                id: id.into(),
                ..Node::default()
            };
            ids.find(|id| plan.canaries.includes(&node(id)) == canary)
                .unwrap()
        };
        let (first, second) = (side(true), side(false));
        let (waves, address) = plane(plan.clone()).await;
        let publish = |number, list| Update::new().put(layer(number, list));
        waves.publish_urgent(publish(1.0, None)).await.unwrap();
        let (canary, other) = tokio::join!(
            Proxy::start_as(&first, address, variant, &["shop"]),
            Proxy::start_as(&second, address, variant, &["shop"]),
        );
        let both = async |value: &str| {
            for proxy in [&canary, &other] {
                until("the layer", value.to_owned(), async || {
                    proxy.runtime("key-7").await
                })
                .await;
            }
        };
        both("1").await;

        let ended = waves.publish(publish(2.0, None)).await.unwrap();
        assert_eq!(
            (ended.resolve, ended.cause),
            (Resolve::Proceed, Cause::Quorum)
        );
        assert_eq!((ended.asked, ended.taken), (1, 1));
        both("2").await;

        let ended = waves.publish(publish(3.0, Some("key-3"))).await.unwrap();
        assert_eq!(
            (ended.resolve, ended.cause),
            (Resolve::Revert, Cause::Refused)
        );
        assert_eq!(ended.refusals[0].0, first);
        assert!(ended.refusals[0].1.contains("nvalid"), "{ended:?}");
        assert_eq!(canary.rejected().await.len(), 1);

        let ended = waves.publish(publish(4.0, None)).await.unwrap();
        assert_eq!(
            (ended.resolve, ended.cause),
            (Resolve::Proceed, Cause::Quorum)
        );
        both("4").await;
        assert_eq!(
            other.rejected().await,
            Vec::<String>::new(),
            "it never saw it"
        );
    })
    .await;
}

#[tokio::test]
async fn a_canary_that_dies_is_waited_for_but_not_by_what_is_urgent() {
    Variant::each(async |variant| {
        let plan = WavePlan {
            canaries: Canaries::chosen(|node| node.id == "canary"),
            patience: Duration::from_mins(10),
            ..WavePlan::default()
        };
        let (waves, address) = plane(plan).await;
        let shop = |number| Update::new().put(layer(number, None));
        for update in [shop(1.0), bank(1.0)] {
            waves.publish_urgent(update).await.unwrap();
        }
        let start = async |id| Proxy::start_as(id, address, variant, &["shop", "bank"]).await;
        let (canary, other) = tokio::join!(start("canary"), start("other"));
        let shows = async |proxy: &Proxy, key: &str, value: &str| {
            let in_use = async || proxy.runtime(key).await;
            until(key, value.to_owned(), in_use).await;
        };
        for proxy in [&canary, &other] {
            shows(proxy, "key-7", "1").await;
            shows(proxy, "flag", "1").await;
        }
        canary.freeze().await;
        let mut wave = pin!(waves.publish(shop(2.0)));
        assert!(futures::poll!(&mut wave).is_pending());
        waves.publish_urgent(bank(2.0)).await.unwrap();
        shows(&other, "flag", "2").await;
        drop(canary);
        assert!(futures::poll!(&mut wave).is_pending());
        assert_eq!(other.runtime("key-7").await, "1");

        let canary = start("canary").await;
        let ended = wave.await.unwrap();
        assert_eq!(
            (ended.cause, ended.asked, ended.taken),
            (Cause::Quorum, 1, 1)
        );
        for proxy in [&canary, &other] {
            shows(proxy, "key-7", "2").await;
            shows(proxy, "flag", "2").await;
        }
    })
    .await;
}
