//! Flow control: every bound is met, named to the client, and counted, and nobody else notices.

use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use futures::FutureExt;
use futures::future::select;
use rstest::rstest;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tonic::Code;
use tonic::transport::Channel;

use super::{DEADLINE, delta_request, open_delta, start};
use crate::protocol::Limits;
use crate::runtime::{self, RuntimeValue};
use crate::server::Config;
use crate::store::Update;
use crate::type_url::TypeUrl;

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_hours(1);

#[tokio::test]
async fn a_stream_that_says_nothing_is_ended_and_so_is_a_connection() {
    let running = start(Config {
        first_request: SHORT,
        ..Config::default()
    })
    .await;
    // On a slow machine the connection may be ended before the stream is opened.
    let status = loop {
        if let Some(mut stream) = running.try_delta().await
            && let Err(status) = stream.receive().await
            && status.code() == Code::DeadlineExceeded
        {
            break status;
        }
    };
    assert!(status.message().contains("`first_request`"), "{status}");
    assert!(running.server.counts().streams_silent >= 1);
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    let mut read = Vec::new();
    let ended = tokio::time::timeout(DEADLINE, silent.read_to_end(&mut read));
    assert!(ended.await.is_ok(), "the connection is still open");
    assert!(running.server.counts().connections_silent >= 1);
}

#[tokio::test]
async fn a_connection_ends_well_when_it_has_reached_its_age() {
    let running = start(Config {
        max_connection_age: SHORT * 3,
        ..Config::default()
    })
    .await;
    running.publish("shop", 1.0);
    let mut ended_well = 0;
    while ended_well < 3 {
        // A connection may have reached its age just when a stream was to be opened on it.
        let Some(mut stream) = running.try_delta().await else {
            continue;
        };
        // If the stream has ended already, that is seen below.
        let _ = stream.requests.send(delta_request(&["shop"])).await;
        let end = loop {
            let message = tokio::time::timeout(DEADLINE, stream.responses.message());
            match message.await.expect("an end within the deadline") {
                Ok(Some(_)) => {}
                end => break end,
            }
        };
        assert!(matches!(end, Ok(None)), "{end:?}");
        ended_well += 1;
    }
    assert!(running.server.counts().connections_aged >= 3);
}

#[tokio::test]
async fn a_stream_is_answered_before_it_ends_for_the_age_of_its_connection() {
    let running = start(Config {
        max_connection_age: SHORT,
        ..Config::default()
    })
    .await;
    running.publish("shop", 1.0);
    let mut stream = loop {
        if let Some(stream) = running.try_delta().await {
            break stream;
        }
    };
    running
        .eventually(|server| server.counts().connections_aged > 0)
        .await;
    stream.send(delta_request(&["shop"])).await;
    assert_eq!(stream.receive().await.unwrap().resources.len(), 1);
    let end = tokio::time::timeout(DEADLINE, stream.responses.message()).await;
    assert!(matches!(end, Ok(Ok(None))), "{end:?}");
}

#[tokio::test]
async fn a_request_over_the_limit_is_refused_by_the_limits_name() {
    let running = start(Config {
        max_request_bytes: 1_000,
        ..Config::default()
    })
    .await;
    let mut stream = running.delta().await;
    stream.send(delta_request(&[&"a".repeat(2_000)])).await;
    let status = stream.receive().await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(
        status
            .message()
            .contains("1000 bytes (`max_request_bytes`)"),
        "{status}"
    );
    assert_eq!(running.server.counts().requests_too_large, 1);
}

#[tokio::test]
async fn one_name_too_many_is_refused_by_the_limits_name() {
    let running = start(Config {
        limits: Limits {
            names: 2,
            ..Limits::default()
        },
        ..Config::default()
    })
    .await;
    let mut stream = running.delta().await;
    stream.send(delta_request(&["a", "b"])).await;
    assert_eq!(stream.receive().await.unwrap().removed_resources.len(), 2);
    stream.send(delta_request(&["c"])).await;
    let status = stream.receive().await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("limit of 2 names"), "{status}");
    assert_eq!(running.server.counts().names_exceeded, 1);
}

#[tokio::test]
async fn a_response_over_the_limit_is_parked_and_the_rest_goes_on() {
    let running = start(Config {
        max_response_bytes: 1_000,
        debounce: Duration::ZERO,
        ..Config::default()
    })
    .await;
    let text = |length: usize| RuntimeValue::Text("a".repeat(length));
    let put = |name: &str, length: usize| {
        let layer = runtime::layer(name, [("key", text(length))]);
        running.store.publish(Update::new().put(layer));
    };
    put("large", 2_000);
    let mut stream = running.delta().await;
    stream.send(delta_request(&["large"])).await;
    let proxies = running.server.proxies();
    let refused = || {
        proxies
            .list()
            .first()?
            .of_type(&TypeUrl::RUNTIME)?
            .nacked
            .clone()
    };
    running.eventually(|_| refused().is_some()).await;
    let message = refused().unwrap().rejection.message;
    assert!(message.contains("`max_response_bytes`"), "{message}");
    stream.send(delta_request(&["small"])).await;
    assert_eq!(stream.receive().await.unwrap().removed_resources, ["small"]);
    put("large", 100);
    assert_eq!(stream.receive().await.unwrap().resources[0].name, "large");
    assert_eq!(running.server.counts().responses_too_large, 1);
}

#[tokio::test]
async fn changes_that_follow_each_other_are_merged_and_the_first_goes_at_once() {
    let window = Duration::from_millis(200);
    let running = start(Config {
        debounce: window,
        ..Config::default()
    })
    .await;
    let mut stream = running.delta().await;
    stream.send(delta_request(&["shop"])).await;
    stream.receive().await.unwrap();
    let proxies = running.server.proxies();
    let sent = || {
        proxies.list()[0]
            .of_type(&TypeUrl::RUNTIME)
            .unwrap()
            .sent
            .unwrap()
    };
    let mut last = sent();
    let mut value = 0.0;
    for _ in 0..3 {
        for _ in 0..10 {
            value += 1.0;
            running.publish("shop", value);
        }
        let newest = running.store.snapshot().sequence();
        while last.sequence < newest {
            stream.receive().await.unwrap();
            let next = sent();
            assert!(next.at >= last.at + window, "{:?}", next.at - last.at);
            last = next;
        }
    }
    assert!(running.server.counts().debounced >= 1);
}

#[tokio::test]
async fn a_new_subscription_waits_for_no_window() {
    let running = start(Config {
        debounce: LONG,
        ..Config::default()
    })
    .await;
    running.publish("shop", 1.0);
    let mut stream = running.delta().await;
    stream.send(delta_request(&["shop"])).await;
    assert_eq!(stream.receive().await.unwrap().resources[0].name, "shop");
    running.publish("bank", 1.0);
    stream.send(delta_request(&["bank"])).await;
    assert_eq!(stream.receive().await.unwrap().resources[0].name, "bank");
}

#[tokio::test]
async fn a_storm_of_clients_is_let_in_one_after_the_other_and_none_is_lost() {
    let running = start(Config {
        stream_rate: 100,
        stream_burst: 5,
        opening_streams: 2,
        ..Config::default()
    })
    .await;
    running.publish("shop", 1.0);
    let client = async || {
        let mut stream = open_delta(running.channel.clone()).await.unwrap();
        stream.send(delta_request(&["shop"])).await;
        let response = stream.receive().await.unwrap();
        let ack = DeltaDiscoveryRequest {
            response_nonce: response.nonce,
            ..delta_request(&[])
        };
        stream.send(ack).await;
        stream
    };
    let streams = futures::future::join_all((0..20).map(|_| client())).await;
    let counts = running.server.counts();
    assert_eq!((streams.len(), counts.streams), (20, 20));
    assert_eq!(counts.streams_overdue, 0);
}

#[rstest]
#[case::by_the_door_of_its_connection(32, LONG)]
#[case::by_the_time_of_its_turns(256, SHORT)]
#[tokio::test]
async fn one_who_opens_streams_and_says_nothing_keeps_nobody_out(
    #[case] opening_streams_per_connection: usize,
    #[case] opening_time: Duration,
) {
    let running = start(Config {
        opening_streams: 256,
        opening_streams_per_connection,
        opening_time,
        admission_wait: LONG,
        first_request: LONG,
        ..Config::default()
    })
    .await;
    running.publish("shop", 1.0);
    let admitted = u64::try_from(opening_streams_per_connection).unwrap();
    let silent = futures::future::join_all((0..256).map(|_| running.try_delta()));
    let other = async {
        running
            .eventually(|server| server.counts().streams >= admitted)
            .await;
        let endpoint = Channel::from_shared(format!("http://{}", running.address));
        let channel = endpoint.unwrap().connect_lazy();
        let mut stream = open_delta(channel).await.unwrap();
        stream.send(delta_request(&["shop"])).await;
        stream.receive().await.unwrap().resources.len()
    };
    let (silent, other) = (
        pin!(silent.then(|streams| async move {
            let _streams = streams;
            pending::<usize>().await
        })),
        pin!(other),
    );
    let served = tokio::time::timeout(DEADLINE, select(silent, other)).await;
    let served = served
        .expect("a response within the deadline")
        .factor_first()
        .0;
    assert_eq!(served, 1);
}
