//! Deliveries that fail, hang, are refused or overtaken, on a paused clock.

use tokio::sync::{mpsc, watch};

use super::*;
use crate::runtime::clock::Clock;
use crate::runtime::tenure::Tenure;

const LIMITS: Limits = Limits {
    kind: EffectKind::Status,
    bound: 4,
    at_once: 2,
    within: Duration::from_secs(5),
    attempts: 3,
    backoff: Backoff {
        base: Duration::from_secs(1),
        max: Duration::from_secs(8),
    },
};

/// Reports each attempt and answers as the value says.
struct Recorder(mpsc::UnboundedSender<(String, &'static str)>);

impl Deliver for Recorder {
    type Key = String;
    type Value = &'static str;

    async fn deliver(&self, key: &String, value: &&'static str) -> Result<Delivered, Failure> {
        self.0.send((key.clone(), value)).unwrap();
        match *value {
            "transient" => Err(Failure::Transient("busy".to_owned())),
            "permanent" => Err(Failure::Permanent("illegal".to_owned())),
            "hang" => std::future::pending().await,
            "gone" => Ok(Delivered::Gone),
            _ => Ok(Delivered::Done),
        }
    }

    fn digest(&self, value: &&'static str) -> Option<u128> {
        Some(u128::from(backoff::seed(value)))
    }

    async fn give_up(&self, key: &String, _: &&'static str, _: &str) {
        self.0.send((key.clone(), "given up")).unwrap();
    }
}

struct Case {
    delivery: DeliveryQueue<String, &'static str>,
    seen: mpsc::UnboundedReceiver<(String, &'static str)>,
    leading: watch::Sender<bool>,
    metrics: Metrics,
}

impl Case {
    fn new() -> Self {
        let (sender, seen) = mpsc::unbounded_channel();
        let (leading, leads) = watch::channel(true);
        let metrics = Metrics::new();
        let lead = Lead::new(leads, Tenure::endless(Clock::start()));
        let delivery = DeliveryQueue::start(LIMITS, Recorder(sender), lead, metrics.clone());
        Self {
            delivery,
            seen,
            leading,
            metrics,
        }
    }

    async fn next(&mut self) -> (String, &'static str) {
        timeout(Duration::from_mins(2), self.seen.recv())
            .await
            .unwrap()
            .unwrap()
    }

    fn send(&self, key: &str, value: &'static str) {
        self.delivery.send(key.to_owned(), value);
    }

    fn counted(&self, result: EffectResult) -> u64 {
        let label = crate::runtime::metrics::EffectLabel {
            kind: EffectKind::Status,
            result,
        };
        self.metrics.effects.get_or_create(&label).get()
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_now_is_tried_again_until_attempts_run_out() {
    let mut case = Case::new();
    case.send("a", "transient");
    for expected in ["transient", "transient", "transient", "given up"] {
        assert_eq!(case.next().await, ("a".to_owned(), expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_newer_value_takes_the_place_of_the_one_being_retried() {
    let mut case = Case::new();
    case.send("a", "transient");
    assert_eq!(case.next().await.1, "transient");
    case.send("a", "newer");
    assert_eq!(case.next().await.1, "newer");
    case.delivery
        .drain(Instant::now() + Duration::from_secs(1))
        .await;
    assert!(case.seen.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn one_key_that_hangs_or_is_refused_delays_no_other() {
    let mut case = Case::new();
    for (key, value) in [("a", "hang"), ("b", "permanent"), ("c", "ok")] {
        case.send(key, value);
    }
    let started = Instant::now();
    let mut seen = vec![
        case.next().await.0,
        case.next().await.0,
        case.next().await.0,
    ];
    seen.sort();
    assert_eq!(seen, ["a", "b", "c"]);
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(case.counted(EffectResult::Failed), 1);
}

#[tokio::test(start_paused = true)]
async fn an_equal_value_is_not_delivered_twice_unless_the_lease_changed_hands() {
    let mut case = Case::new();
    for _ in 0..3 {
        case.send("a", "same");
        case.delivery.keyed_queue.idle().await;
        tokio::task::yield_now().await;
    }
    assert_eq!(case.next().await.1, "same");
    assert!(case.seen.try_recv().is_err());
    assert_eq!(case.counted(EffectResult::Unchanged), 2);
    case.leading.send(false).unwrap();
    tokio::task::yield_now().await;
    case.leading.send(true).unwrap();
    tokio::task::yield_now().await;
    case.send("a", "same");
    assert_eq!(case.next().await.1, "same");
}

#[tokio::test(start_paused = true)]
async fn losing_the_lease_ends_retries_and_forgets_what_waits() {
    let mut case = Case::new();
    case.send("a", "transient");
    case.next().await;
    case.leading.send(false).unwrap();
    case.delivery.keyed_queue.idle().await;
    assert_eq!(case.counted(EffectResult::NotLeading), 1);
    case.delivery
        .drain(Instant::now() + Duration::from_secs(1))
        .await;
    assert!(case.seen.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_is_counted() {
    let case = Case::new();
    for key in 0..LIMITS.bound + 3 {
        case.send(&key.to_string(), "ok");
    }
    assert_eq!(case.counted(EffectResult::Overflowed), 3);
}

#[tokio::test(start_paused = true)]
async fn draining_gives_up_what_hangs_at_the_deadline() {
    let mut case = Case::new();
    case.send("a", "hang");
    case.next().await;
    let started = Instant::now();
    case.delivery.drain(started + Duration::from_secs(2)).await;
    assert_eq!(started.elapsed(), Duration::from_secs(2));
}
