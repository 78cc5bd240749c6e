//! Programmed: tells the engine how far each published layer has reached the fleet.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fusegate_xds::{Proxies, Store, TypeUrl};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::source::queue::Sender;
use crate::wire::event::{Event, Programmed, RefusedKey};

/// The pause after a change, so that the answers of a whole fleet are counted together.
const SETTLE: Duration = Duration::from_millis(100);

/// The most bytes of a proxy's message that a status repeats; the log has more of them.
const MOST_WORDS: usize = 512;

/// Tells the engine whenever the counts of a layer change, until shutdown.
pub(super) async fn report(
    store: Arc<Store>,
    proxies: Proxies,
    sender: Sender,
    shutdown: CancellationToken,
) {
    let reporting = async {
        let mut published = store.watch(TypeUrl::RUNTIME);
        let mut reporter = Reporter::default();
        loop {
            // Read first: what changes while it is counted is counted again.
            let seen = proxies.changes();
            for programmed in reporter.changed(&store, &proxies) {
                if sender.send(Event::Programmed(programmed)).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                _ = published.changed() => {}
                _ = proxies.changed(seen) => {}
            }
            sleep(SETTLE).await;
        }
    };
    shutdown.run_until_cancelled(reporting).await;
}

/// What was last sent of each layer.
#[derive(Debug, Default)]
struct Reporter {
    sent: HashMap<Box<str>, Programmed>,
}

impl Reporter {
    /// The layers whose counts have changed.
    fn changed(&mut self, store: &Store, proxies: &Proxies) -> Vec<Programmed> {
        let snapshot = store.snapshot();
        let Some(layers) = snapshot.collection(&TypeUrl::RUNTIME) else {
            return Vec::new();
        };
        let sent = &mut self.sent;
        let gone = sent.extract_if(|layer, _| layers.published(layer).is_none());
        // What was refused of a layer is gone with it.
        let mended = gone.filter_map(|(_, sent)| sent.is_refused().then(|| sent.mended()));
        let mended: Vec<Programmed> = mended.collect();
        let resources = layers.resources();
        let counted = proxies.programmed_all(&TypeUrl::RUNTIME, resources);
        let now = counted.into_iter().map(|(layer, programmed)| Programmed {
            layer: (&*layer).into(),
            proxies: programmed.subscribed,
            acked: programmed.acked,
            partly: programmed.partly,
            refused: refused(&programmed),
            rejected: programmed
                .refusals
                .first()
                .map(|(node, why)| shown(&format!("{node}: {why}"))),
        });
        let changed = now.filter(|now| sent.get(&now.layer) != Some(now));
        let changed: Vec<Programmed> = changed.collect();
        sent.extend(changed.iter().map(|now| (now.layer.clone(), now.clone())));
        mended.into_iter().chain(changed).collect()
    }
}

/// A proxy's message as a status can hold it: on one line, without control characters, and not too long.
fn shown(words: &str) -> Box<str> {
    let mut shown = String::new();
    for char in words.chars() {
        if shown.len() >= MOST_WORDS {
            shown.push('…');
            break;
        }
        if char.is_control() {
            shown.extend(char.escape_default());
        } else {
            shown.push(char);
        }
    }
    shown.into()
}

/// The keys that proxies refuse, in an order that does not depend on the order of connections.
fn refused(programmed: &fusegate_xds::proxies::Programmed) -> Vec<RefusedKey> {
    let isolated = programmed.isolated.iter();
    let mut keys: Vec<RefusedKey> = isolated
        .filter_map(|(node, isolated)| {
            Some(RefusedKey {
                key: isolated.part.clone()?,
                node: shown(node),
                message: shown(&isolated.rejection.message),
            })
        })
        .collect();
    keys.sort_by(|a, b| (&a.key, &a.node).cmp(&(&b.key, &b.node)));
    keys
}

#[cfg(test)]
mod tests {
    use fusegate_xds::{Store, Update, runtime};

    use super::*;
    use crate::runtime::metrics::Metrics;
    use crate::source::queue;

    #[tokio::test(start_paused = true)]
    async fn a_layer_is_reported_once_and_again_when_it_is_new() {
        let (store, proxies) = (Arc::new(Store::new()), Proxies::default());
        let limits = queue::Limits {
            events: 16,
            bytes: 1 << 16,
        };
        let (sender, mut events) = queue::open(limits, Metrics::new());
        let reporting = report(store.clone(), proxies, sender, CancellationToken::new());
        let reporting = tokio::spawn(reporting);
        for name in ["shop", "bank"] {
            store.publish(Update::new().put(runtime::layer(name, [])));
            assert_eq!(next(&mut events).await.as_deref(), Some(name));
        }
        store.publish(Update::new().remove(TypeUrl::RUNTIME, "shop"));
        assert_eq!(next(&mut events).await, None, "nothing of it was refused");
        store.publish(Update::new().put(runtime::layer("shop", [])));
        assert_eq!(next(&mut events).await.as_deref(), Some("shop"));
        reporting.abort();
    }

    /// The layer of the next event, if one comes within a minute.
    async fn next(events: &mut queue::Receiver) -> Option<String> {
        let waiting = tokio::time::timeout(Duration::from_mins(1), events.recv());
        match waiting.await.ok()? {
            Some(Event::Programmed(programmed)) => Some(programmed.layer.into()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_proxys_words_are_one_line_of_plain_text_with_an_end() {
        assert_eq!(
            &*shown("edge: no ä\r\n\u{1b}[31m"),
            "edge: no ä\\r\\n\\u{1b}[31m"
        );
        let long = shown(&"ä".repeat(10_000));
        assert!(long.len() < MOST_WORDS + 8 && long.ends_with('…'));
    }
}
