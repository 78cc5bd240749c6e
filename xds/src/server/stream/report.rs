//! The report: what a stream tells of its client, in the books, to the observer and in the log.

use tokio::time::Instant;

use super::{Core, DiscoveryStream};
use crate::protocol::Event;
use crate::proxies::Proxy;
use crate::snapshot::{InterestChange, Topic};

impl<C: Core> DiscoveryStream<C> {
    /// Tells people that a client asked for what it may not have; the client itself is told by the core.
    pub(super) fn note_denied(&self, proxy: &Proxy, interest: &[InterestChange]) {
        for change in interest {
            if let InterestChange::Join(Topic::Name(type_url, name)) = change
                && !proxy.scope.permits(type_url, name)
            {
                self.shared.counters.names_denied.inc();
                let (node, peer) = (&proxy.node.id, &proxy.peer);
                tracing::warn!(node, ?peer, %type_url, %name, "xDS client asked for a name that it may not have");
            }
        }
    }

    /// Keeps the books, shows them, and then tells the observer.
    pub(super) fn report(&mut self, proxy: &Proxy, events: &[Event]) {
        if events.is_empty() {
            return;
        }
        let now = Instant::now().into_std();
        proxy.note(|book| {
            for event in events {
                if let Event::Subscribed(type_url) = event {
                    let (wildcard, names) = Core::subscription(&self.core, type_url);
                    book.subscribed(type_url, wildcard, &names);
                }
                book.answered(event, now);
            }
        });
        let observer = &self.shared.observer;
        for event in events {
            match event {
                Event::Subscribed(type_url) => observer.subscribed(proxy, type_url),
                Event::Acked(response) => {
                    self.shared.counters.acks.inc();
                    observer.acked(proxy, response);
                }
                Event::Nacked(response, rejection) => {
                    self.shared.counters.nacks.inc();
                    let (node, version) = (&proxy.node.id, response.version);
                    tracing::warn!(node, type_url = %response.type_url, %version, reason = rejection.beginning(), "xDS response refused");
                    observer.nacked(proxy, response, rejection);
                }
                Event::Doubted(response, rejection) => {
                    self.shared.counters.nacks.inc();
                    let (node, version) = (&proxy.node.id, response.version);
                    tracing::warn!(node, type_url = %response.type_url, %version, reason = rejection.beginning(), "xDS response refused for what was refused before");
                    observer.doubted(proxy, response, rejection);
                }
                Event::Isolated(isolated) => {
                    self.shared.counters.isolated.inc();
                    let (node, type_url) = (&proxy.node.id, &isolated.type_url);
                    let (name, part) = (&isolated.name, isolated.part.as_deref());
                    let reason = isolated.rejection.beginning();
                    tracing::warn!(node, %type_url, name = &**name, part, reason, "xDS client was found to refuse this; the rest is delivered");
                    observer.isolated(proxy, isolated);
                }
                Event::Unresolved(type_url, names, rejection) => {
                    self.shared.counters.unresolved.inc();
                    let (node, reason) = (&proxy.node.id, rejection.beginning());
                    tracing::warn!(node, %type_url, names = names.len(), reason, "it was not found what the xDS client refuses; all of it stays parked");
                    observer.unresolved(proxy, type_url, names, rejection);
                }
            }
        }
    }
}
