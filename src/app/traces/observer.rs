//! The observer: tells what proxies answer, while it is of use to a trace.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fusegate_xds::observer::Observer;
use fusegate_xds::protocol::{Rejection, Response};
use fusegate_xds::proxies::Proxy;
use fusegate_xds::{Resource, TypeUrl};
use tokio::sync::mpsc;

use crate::app::traces::acks::{Answer, Message};
use crate::runtime::clock::Clock;
use crate::runtime::otlp::Spans;

/// The most bytes of a refusal that a span repeats.
const MOST_WORDS: usize = 512;

/// Tells of ACKs and NACKs.
pub(in crate::app) struct Acks {
    clock: Clock,
    messages: mpsc::Sender<Message>,
    followed: Arc<AtomicUsize>,
    spans: Spans,
}

impl Acks {
    pub(super) fn new(
        clock: Clock,
        messages: mpsc::Sender<Message>,
        followed: Arc<AtomicUsize>,
        spans: Spans,
    ) -> Self {
        Self {
            clock,
            messages,
            followed,
            spans,
        }
    }

    fn tell(&self, proxy: &Proxy, response: &Response, refusal: Option<&Rejection>) {
        let idle = self.followed.load(Ordering::Relaxed) == 0;
        // What a client makes of part of a layer, offered to find what it refuses, is no answer to the layer.
        if idle || response.type_url != TypeUrl::RUNTIME || response.probe {
            return;
        }
        let status = proxy.of_type(&TypeUrl::RUNTIME);
        let sent = status.and_then(|status| status.sent);
        let sent = sent.filter(|sent| sent.sequence == response.sequence);
        let names = response.resources.iter().map(Resource::name);
        let answer = Answer {
            stream: proxy.stream,
            node: proxy.node.id.as_str().into(),
            sequence: response.sequence,
            layers: names.chain(&response.removed).cloned().collect(),
            sent: sent.map(|sent| self.clock.elapsed_at(sent.at)),
            at: self.clock.elapsed(),
            refusal: refusal.map(|refusal| refusal.message.chars().take(MOST_WORDS).collect()),
        };
        if self.messages.try_send(Message::Answer(answer)).is_err() {
            self.spans.drop_one();
        }
    }
}

impl Observer for Acks {
    fn acked(&self, proxy: &Proxy, response: &Response) {
        self.tell(proxy, response, None);
    }

    fn nacked(&self, proxy: &Proxy, response: &Response, rejection: &Rejection) {
        self.tell(proxy, response, Some(rejection));
    }

    /// What it makes of this response is told once it is known.
    fn inconclusive_nack(&self, _: &Proxy, _: &Response, _: &Rejection) {}
}
