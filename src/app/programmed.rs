//! Programmed: how far each published layer has reached the fleet, told to the engine.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fusegate_xds::{Proxies, Store, TypeUrl};
use tokio::sync::mpsc::Sender;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::source::event::{Event, Programmed, RefusedKey};

/// How often it is looked; a status need not be fresher, and a fleet of thousands ACKs within moments.
const EVERY: Duration = Duration::from_millis(500);

/// Tells the engine whenever the count of a layer changes, until shutdown.
pub(super) async fn report(
    store: Arc<Store>,
    proxies: Proxies,
    sender: Sender<Event>,
    shutdown: CancellationToken,
) {
    let mut told: HashMap<Box<str>, Programmed> = HashMap::new();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        for programmed in changed(&store, &proxies, &mut told) {
            if sender.send(Event::Programmed(programmed)).await.is_err() {
                return;
            }
        }
    }
}

fn changed(
    store: &Store,
    proxies: &Proxies,
    told: &mut HashMap<Box<str>, Programmed>,
) -> Vec<Programmed> {
    let snapshot = store.snapshot();
    let Some(layers) = snapshot.collection(&TypeUrl::RUNTIME) else {
        return Vec::new();
    };
    told.retain(|layer, _| layers.published(layer).is_some());
    let mut news = Vec::new();
    for (name, resource) in layers.resources() {
        let programmed = proxies.programmed(&TypeUrl::RUNTIME, name, resource.version());
        let now = Programmed {
            layer: (&**name).into(),
            proxies: programmed.subscribed,
            acked: programmed.acked,
            partly: programmed.partly,
            refused: refused(&programmed),
            rejected: programmed
                .refusals
                .first()
                .map(|(node, why)| format!("{node}: {why}").into()),
        };
        if told.get(&now.layer) != Some(&now) {
            told.insert(now.layer.clone(), now.clone());
            news.push(now);
        }
    }
    news
}

/// The keys that proxies refuse, in an order that does not depend on who connected first.
fn refused(programmed: &fusegate_xds::proxies::Programmed) -> Vec<RefusedKey> {
    let isolated = programmed.isolated.iter();
    let mut keys: Vec<RefusedKey> = isolated
        .filter_map(|(node, isolated)| {
            Some(RefusedKey {
                key: isolated.part.clone()?,
                node: node.as_str().into(),
                message: isolated.rejection.message.as_str().into(),
            })
        })
        .collect();
    keys.sort_by(|a, b| (&a.key, &a.node).cmp(&(&b.key, &b.node)));
    keys
}
