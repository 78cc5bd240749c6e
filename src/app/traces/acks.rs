//! ACKs: which answer of which proxy is one to which traced publication.
//!
//! A proxy that answers a later publication has what an earlier one said of the layer as well, so its answer is one to
//! every publication since its last.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::mpsc;
use tokio::time::interval;

use crate::runtime::clock::Clock;
use crate::runtime::metrics::{Bound, Metrics};
use crate::runtime::otlp::{Kind, Span, SpanId, Spans, Value};
use crate::runtime::sampler::TraceId;

/// The most publications that are followed.
pub(in crate::app) const MOST_PUBLICATIONS: usize = 1_024;

/// The most streams and layers of which the last answer is remembered; of further ones an answer may be told twice.
const MOST_LAST: usize = 65_536;

/// For how long a publication is followed. A proxy that has not answered by then is behind, and told to be so elsewhere.
const FOLLOWED_FOR: Duration = Duration::from_secs(30);

/// How often publications are looked at for that.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Names of layers.
pub(super) type Published<'a> = BTreeSet<&'a str>;

/// What the task is told.
#[derive(Debug)]
pub(super) enum Message {
    Publication(Publication),
    Answer(Answer),
}

/// What a traced write had published.
#[derive(Clone, Debug)]
pub(super) struct Publication {
    pub(super) sequence: u64,
    pub(super) layers: Vec<Arc<str>>,
    /// The span of it.
    pub(super) id: SpanId,
    pub(super) trace: TraceId,
    pub(super) at: Duration,
}

/// What a proxy answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) stream: u64,
    pub(super) node: Box<str>,
    pub(super) sequence: u64,
    pub(super) layers: Vec<Arc<str>>,
    /// When it was sent what it answers, if that is known.
    pub(super) sent: Option<Duration>,
    pub(super) at: Duration,
    pub(super) refusal: Option<String>,
}

/// Tells a span of each answer to what is followed, until nobody tells anything any more.
pub(super) fn follow(
    clock: Clock,
    mut messages: mpsc::Receiver<Message>,
    spans: Spans,
    followed: Arc<AtomicUsize>,
    metrics: &Metrics,
) -> impl Future<Output = ()> + use<> {
    let mut acks = Acks {
        spans,
        followed,
        size: metrics.bound_size(Bound::TracedPublications),
        met: metrics.bound(Bound::TracedPublications),
        publications: BTreeMap::new(),
        last: HashMap::new(),
    };
    async move {
        let mut look = interval(LOOK_EVERY);
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(Message::Publication(publication)) => acks.publish(publication),
                    Some(Message::Answer(answer)) => acks.answer(&answer),
                    None => return,
                },
                _ = look.tick() => {
                    acks.forget_before(clock.elapsed().saturating_sub(FOLLOWED_FOR));
                }
            }
        }
    }
}

/// What is followed.
struct Acks {
    spans: Spans,
    followed: Arc<AtomicUsize>,
    size: Gauge,
    met: Counter,
    /// By their sequence.
    publications: BTreeMap<u64, Vec<Publication>>,
    /// The last sequence that a stream answered of a layer.
    last: HashMap<(u64, Arc<str>), u64>,
}

impl Acks {
    fn publish(&mut self, publication: Publication) {
        let of_sequence = self.publications.entry(publication.sequence).or_default();
        of_sequence.push(publication);
        if self.followed.load(Ordering::Relaxed) > MOST_PUBLICATIONS
            && let Some((_, oldest)) = self.publications.pop_first()
        {
            self.met.inc();
            self.end(oldest.len());
        }
        self.count();
    }

    fn answer(&mut self, answer: &Answer) {
        for layer in &answer.layers {
            let key = (answer.stream, Arc::clone(layer));
            let last = self.last.get(&key).copied().unwrap_or(0);
            if answer.sequence <= last {
                continue;
            }
            let since = self.publications.range(last + 1..=answer.sequence);
            let mut known = false;
            for publication in since.flat_map(|(_, of_sequence)| of_sequence) {
                if publication.layers.contains(layer) {
                    known = true;
                    self.spans.send(self.span(publication, layer, answer));
                }
            }
            if known && self.last.len() < MOST_LAST {
                self.last.insert(key, answer.sequence);
            }
        }
    }

    fn span(&self, publication: &Publication, layer: &str, answer: &Answer) -> Span {
        let sent = answer.sent.filter(|sent| *sent >= publication.at);
        Span {
            trace: publication.trace,
            id: self.spans.id(),
            parent: Some(publication.id),
            name: if answer.refusal.is_some() {
                "nack"
            } else {
                "ack"
            },
            kind: Kind::Client,
            start: publication.at,
            end: answer.at,
            attributes: vec![
                ("fusegate.layer", layer.into()),
                ("fusegate.xds.node.id", Value::from(&*answer.node)),
                ("fusegate.xds.stream", answer.stream.into()),
                ("fusegate.xds.sequence", answer.sequence.into()),
            ],
            events: sent.map(|sent| ("sent", sent)).into_iter().collect(),
            error: answer.refusal.clone(),
        }
    }

    /// Ends what was published earlier.
    fn forget_before(&mut self, earliest: Duration) {
        let mut ended = 0;
        self.publications.retain(|_, of_sequence| {
            let before = of_sequence.len();
            of_sequence.retain(|publication| publication.at >= earliest);
            ended += before - of_sequence.len();
            !of_sequence.is_empty()
        });
        self.end(ended);
        if self.publications.is_empty() {
            // Whatever is published from now on has a later sequence than all that was answered.
            self.last.clear();
        }
        self.count();
    }

    fn end(&self, count: usize) {
        self.followed.fetch_sub(count, Ordering::Relaxed);
    }

    fn count(&self) {
        let count: usize = self.publications.values().map(Vec::len).sum();
        self.size.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

impl Publication {
    /// The layers, as the value of an attribute.
    pub(super) fn layers(&self) -> Value {
        Value::Texts(self.layers.iter().map(ToString::to_string).collect())
    }
}

#[cfg(test)]
mod tests;
