//! The dispatcher, on a directory and beside an API server that does not answer.

use std::fs;
use std::sync::Arc;

use fusegate_crds::CircuitPolicyStatus;
use futures::FutureExt as _;
use serde_json::Value;
use tokio::net::TcpListener;

use super::*;
use crate::runtime::metrics::EffectLabel;
use crate::wire::effect::{StatusWrite, Target};

#[tokio::test]
async fn only_the_lease_holder_writes_and_everyone_audits() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    let log = folder.path().join("audit.jsonl");
    let metrics = Metrics::new();
    let limits = queue::Limits {
        events: 1,
        bytes: 1 << 20,
    };
    let (reports, _ends) = queue::open(limits, Metrics::new());
    let dispatcher = Dispatcher::start(Config {
        backend: Backend::Dir(layout.clone()),
        audit: Some(audit::Destination::new(&log)),
        alertmanagers: Vec::new(),
        reports,
        clock: Clock::start(),
        metrics: metrics.clone(),
    })
    .unwrap();
    dispatcher.dispatch(Effect::Audit(Box::default()));
    dispatcher.dispatch(status("before"));
    dispatcher.set_leading(true);
    dispatcher.dispatch(status("after"));
    dispatcher.drain(Span::from_secs(30)).await;
    assert_eq!(fs::read_to_string(log).unwrap().lines().count(), 1);
    let read = |name| {
        layout
            .read_status::<Value>("CircuitPolicy", "shop", name)
            .unwrap()
    };
    assert_eq!(read("before"), None);
    assert_eq!(read("after").unwrap()["total"], 7);
    let label = |result| EffectLabel {
        kind: EffectKind::Status,
        result,
    };
    let counted = |result| metrics.effects.get_or_create(&label(result)).get();
    assert_eq!(counted(EffectResult::NotLeading), 1);
    assert_eq!(counted(EffectResult::Done), 1);
}

/// A dispatcher whose API server takes connections and says nothing.
async fn unanswered() -> (Dispatcher, TcpListener) {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", server.local_addr().unwrap());
    let client = kube::Client::try_from(kube::Config::new(uri.parse().unwrap())).unwrap();
    let limits = queue::Limits {
        events: 1,
        bytes: 1 << 20,
    };
    let config = Config {
        backend: Backend::Kube {
            cluster: Cluster {
                client,
                namespace: "fusegate-system".to_owned(),
            },
            instance: "test-0".to_owned(),
        },
        audit: None,
        alertmanagers: Vec::new(),
        reports: queue::open(limits, Metrics::new()).0,
        clock: Clock::start(),
        metrics: Metrics::new(),
    };
    (Dispatcher::start(config).unwrap(), server)
}

fn opening(name: &str) -> Vec<Effect> {
    let mut effect = status(name);
    if let Effect::PolicyStatus(write) = &mut effect {
        write.opens = true;
    }
    vec![effect]
}

#[tokio::test]
async fn a_trip_waits_for_an_api_server_that_hangs_once_and_briefly() {
    let (mut dispatcher, _server) = unanswered().await;
    dispatcher.set_leading(true);
    let began = Instant::now();
    dispatcher.begin(&mut opening("first"), true).await;
    assert!(began.elapsed() >= WRITE_AHEAD_WITHIN);
    assert!(began.elapsed() < 10 * WRITE_AHEAD_WITHIN);
    let mut second = opening("second");
    let asked = dispatcher.begin(&mut second, true).now_or_never();
    assert_eq!(asked, Some(()));
    assert_eq!(second, opening("second"), "its executor writes it later");
}

#[tokio::test]
async fn nothing_but_the_leaders_publishing_of_a_trip_waits_for_the_api_server() {
    let (mut dispatcher, _server) = unanswered().await;
    for (leads, publishes, effects) in [
        (false, true, opening("trip")),
        (true, false, opening("trip")),
        (true, true, vec![status("drift")]),
    ] {
        dispatcher.set_leading(leads);
        let mut left = effects.clone();
        let asked = dispatcher.begin(&mut left, publishes).now_or_never();
        assert_eq!(asked, Some(()), "{leads} {publishes} {effects:?}");
        assert_eq!(left, effects);
    }
}

fn status(name: &str) -> Effect {
    Effect::PolicyStatus(StatusWrite {
        target: Target {
            namespace: "shop".into(),
            name: name.into(),
            uid: "u1".into(),
        },
        status: Arc::new(CircuitPolicyStatus {
            total: 7,
            ..CircuitPolicyStatus::default()
        }),
        opens: false,
    })
}
