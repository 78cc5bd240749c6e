//! Answers of proxies, and the publications that they are answers to.

use super::*;
use crate::runtime::otlp;

fn acks() -> (Acks, Arc<AtomicUsize>, mpsc::Receiver<Span>) {
    let (metrics, followed) = (Metrics::new(), Arc::new(AtomicUsize::new(0)));
    let (spans, told) = otlp::channel(1, &metrics);
    let acks = Acks {
        spans,
        followed: Arc::clone(&followed),
        size: metrics.bound_size(Bound::TracedPublications),
        met: metrics.bound(Bound::TracedPublications),
        publications: BTreeMap::new(),
        last: HashMap::new(),
    };
    (acks, followed, told)
}

impl Acks {
    fn published(&mut self, sequence: u64, layers: &[&str]) {
        self.followed.fetch_add(1, Ordering::Relaxed);
        self.publish(Publication {
            sequence,
            layers: layers.iter().map(|layer| (*layer).into()).collect(),
            id: self.spans.id(),
            trace: TraceId(sequence.into()),
            at: Duration::from_secs(sequence),
        });
    }

    fn answered(&mut self, stream: u64, sequence: u64, layers: &[&str], refusal: Option<&str>) {
        self.answer(&Answer {
            stream,
            node: "edge".into(),
            sequence,
            layers: layers.iter().map(|layer| (*layer).into()).collect(),
            sent: None,
            at: Duration::from_secs(sequence),
            refusal: refusal.map(str::to_owned),
        });
    }
}

/// What was told: the trace and the name of each span.
fn told(spans: &mut mpsc::Receiver<Span>) -> Vec<(u128, &'static str)> {
    std::iter::from_fn(|| spans.try_recv().ok())
        .map(|span| (span.trace.0, span.name))
        .collect()
}

#[test]
fn each_proxy_answers_once_what_it_was_published() {
    let (mut acks, _, mut spans) = acks();
    acks.published(5, &["shop"]);
    acks.answered(1, 4, &["shop"], None);
    acks.answered(1, 5, &["bank"], None);
    assert_eq!(told(&mut spans), []);
    acks.answered(1, 5, &["shop"], None);
    acks.answered(1, 5, &["shop"], None);
    acks.answered(2, 5, &["shop"], Some("no"));
    assert_eq!(told(&mut spans), [(5, "ack"), (5, "nack")]);
}

#[test]
fn an_answer_to_a_later_publication_is_one_to_those_before_it() {
    let (mut acks, _, mut spans) = acks();
    acks.published(5, &["shop"]);
    acks.published(6, &["bank"]);
    acks.published(7, &["shop", "bank"]);
    acks.answered(1, 9, &["shop"], None);
    assert_eq!(told(&mut spans), [(5, "ack"), (7, "ack")]);
    acks.answered(1, 9, &["bank"], None);
    assert_eq!(told(&mut spans), [(6, "ack"), (7, "ack")]);
    acks.published(10, &["shop"]);
    acks.answered(1, 10, &["shop"], None);
    assert_eq!(told(&mut spans), [(10, "ack")]);
}

#[test]
fn the_oldest_publication_goes_where_there_are_too_many() {
    let (mut acks, followed, mut spans) = acks();
    for sequence in 1..=MOST_PUBLICATIONS as u64 + 1 {
        acks.published(sequence, &["shop"]);
    }
    assert_eq!(followed.load(Ordering::Relaxed), MOST_PUBLICATIONS);
    assert_eq!(acks.met.get(), 1);
    acks.answered(1, 2, &["shop"], None);
    assert_eq!(told(&mut spans), [(2, "ack")]);
}

#[test]
fn a_publication_is_followed_for_a_while() {
    let (mut acks, followed, mut spans) = acks();
    acks.published(5, &["shop"]);
    acks.forget_before(Duration::from_secs(5));
    acks.answered(1, 5, &["shop"], None);
    assert_eq!(told(&mut spans), [(5, "ack")]);
    acks.forget_before(Duration::from_secs(6));
    assert_eq!(followed.load(Ordering::Relaxed), 0);
    assert!(acks.last.is_empty());
}
