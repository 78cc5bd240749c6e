//! The report: what a stream says of its client, in its record, to the observer and in the log.

use tokio::time::Instant;

use crate::protocol::{Event, StreamCore, Variant};
use crate::proxies::Proxy;
use crate::server::Shared;
use crate::snapshot::{InterestChange, Snapshot, Topic};

/// Tells people that a client asked for what it may not have, or for what cannot be; the core tells the client itself.
pub(super) fn note_denied(
    shared: &Shared,
    proxy: &Proxy,
    snapshot: &Snapshot,
    interest: &[InterestChange],
) {
    let (node, peer) = (&proxy.node.id, &proxy.peer);
    for change in interest {
        let InterestChange::Join(Topic::Name(type_url, name)) = change else {
            continue;
        };
        if !proxy.scope.permits(type_url, name) {
            shared.counters.names_denied.inc();
            tracing::warn!(node, ?peer, %type_url, %name, "xDS client asked for a name that it may not have");
        } else if snapshot.contents(type_url).rules_out(name) {
            tracing::warn!(node, ?peer, %type_url, %name, "xDS client asked for a name that nothing can be published under");
        }
    }
}

/// Records what happened, and then tells the observer, who may look at the record.
pub(super) fn report<V: Variant>(
    shared: &Shared,
    proxy: &Proxy,
    core: &StreamCore<V>,
    events: &[Event],
) {
    if events.is_empty() {
        return;
    }
    let now = Instant::now().into_std();
    proxy.note(|record| {
        for event in events {
            if let Event::Subscribed(type_url) = event {
                let (wildcard, names) = core.subscription(type_url);
                record.subscribed(type_url, wildcard, &names);
            }
            record.answered(event, now);
        }
    });
    for event in events {
        tell(shared, proxy, event);
    }
}

/// Counts one event, logs it and tells the observer.
fn tell(shared: &Shared, proxy: &Proxy, event: &Event) {
    let (observer, counters, node) = (&shared.observer, &shared.counters, &proxy.node.id);
    match event {
        Event::Subscribed(type_url) => observer.subscribed(proxy, type_url),
        Event::Acked(response) => {
            counters.acks.inc();
            observer.acked(proxy, response);
        }
        Event::Nacked(response, rejection) => {
            counters.nacks.inc();
            tracing::warn!(node, type_url = %response.type_url, version = %response.version, names = response.first_names(), reason = rejection.beginning(), "xDS response refused");
            observer.nacked(proxy, response, rejection);
        }
        Event::InconclusiveNack(response, rejection) => {
            counters.nacks.inc();
            tracing::warn!(node, type_url = %response.type_url, version = %response.version, names = response.first_names(), reason = rejection.beginning(), "xDS response refused because of something refused before");
            observer.inconclusive_nack(proxy, response, rejection);
        }
        Event::Isolated(isolated) => {
            counters.isolated.inc();
            let (type_url, name, part) = (
                &isolated.type_url,
                &*isolated.name,
                isolated.part.as_deref(),
            );
            let reason = isolated.rejection.beginning();
            tracing::warn!(node, %type_url, name, part, reason, "found what an xDS client refuses; the rest is delivered");
            observer.isolated(proxy, isolated);
        }
        Event::Unresolved(type_url, names, rejection) => {
            counters.unresolved.inc();
            let reason = rejection.beginning();
            tracing::warn!(node, %type_url, names = names.len(), reason, "did not find what an xDS client refuses; all of it stays parked");
            observer.unresolved(proxy, type_url, names, rejection);
        }
    }
}
