//! The dispatcher, on a directory.

use std::fs;
use std::sync::Arc;

use fusegate_crds::CircuitPolicyStatus;
use serde_json::Value;

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
    })
}
