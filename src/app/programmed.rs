//! Programmed: how far each published layer has reached the fleet, told to the engine.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fusegate_xds::{Proxies, Store, TypeUrl};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::source::queue::Sender;
use crate::wire::event::{Event, Programmed, RefusedKey};

/// How often it is looked; a status need not be fresher, and a fleet of thousands ACKs within moments.
const EVERY: Duration = Duration::from_millis(500);

/// The most bytes of a proxy's words that a status repeats; the log has more of them.
const MOST_WORDS: usize = 512;

/// Tells the engine whenever the count of a layer changes, until shutdown.
pub(super) async fn report(
    store: Arc<Store>,
    proxies: Proxies,
    sender: Sender,
    shutdown: CancellationToken,
) {
    let mut watch = Watch::default();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        for programmed in watch.news(&store, &proxies) {
            if sender.send(Event::Programmed(programmed)).await.is_err() {
                return;
            }
        }
    }
}

/// What was seen and told.
#[derive(Debug, Default)]
struct Watch {
    /// The publication and the state of the proxies that were looked at last.
    seen: Option<(u64, u64)>,
    told: HashMap<Box<str>, Programmed>,
}

impl Watch {
    /// What has changed since the last look; where nothing was published and no proxy stirred, that costs nothing.
    fn news(&mut self, store: &Store, proxies: &Proxies) -> Vec<Programmed> {
        // The changes first: what changes during the look is looked at again.
        let stirred = proxies.changes();
        let snapshot = store.snapshot();
        let seen = Some((snapshot.sequence(), stirred));
        if self.seen == seen {
            return Vec::new();
        }
        self.seen = seen;
        let Some(layers) = snapshot.collection(&TypeUrl::RUNTIME) else {
            return Vec::new();
        };
        let told = &mut self.told;
        let gone = told.extract_if(|layer, _| layers.published(layer).is_none());
        // With the layer goes what was refused of it.
        let mended = gone.filter_map(|(_, told)| told.is_refused().then(|| told.mended()));
        let mended: Vec<Programmed> = mended.collect();
        let resources = layers.resources().values();
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
        let news = now.filter(|now| told.get(&now.layer) != Some(now));
        let news: Vec<Programmed> = news.collect();
        told.extend(news.iter().map(|now| (now.layer.clone(), now.clone())));
        mended.into_iter().chain(news).collect()
    }
}

/// A proxy's words as a status can hold them: on one line, without what a terminal would obey, and not without end.
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

/// The keys that proxies refuse, in an order that does not depend on who connected first.
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

    #[test]
    fn a_layer_is_told_once_and_nothing_is_looked_at_while_nothing_stirs() {
        let (store, proxies) = (Store::new(), Proxies::default());
        let mut watch = Watch::default();
        let layer = |name: &str| store.publish(Update::new().put(runtime::layer(name, [])));
        layer("shop");
        assert_eq!(watch.news(&store, &proxies).len(), 1);
        let seen = watch.seen;
        assert!(watch.news(&store, &proxies).is_empty());
        assert_eq!(watch.seen, seen);
        layer("bank");
        let news = watch.news(&store, &proxies);
        assert_eq!(news.len(), 1);
        assert_eq!(&*news[0].layer, "bank");
        store.publish(Update::new().remove(TypeUrl::RUNTIME, "shop"));
        assert!(watch.news(&store, &proxies).is_empty());
        layer("shop");
        assert_eq!(watch.news(&store, &proxies).len(), 1, "it is a new one");
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
