//! The fleet: what the xDS server knows of its clients, in the form of the admin port.

use std::time::Instant;

use fusegate_xds::proxies::{self as xds, Lag, NameStatus, TypeStatus};
use fusegate_xds::snapshot::{Answer, Snapshot};
use fusegate_xds::{Proxies, Store, TypeUrl};

use crate::runtime::clock::Clock;
use crate::serve::proxies::{
    Behind, MAX_NAMES, MAX_WORDS, Name, Proxy, Query, Refusal, Type, Version, time,
};

/// The proxies that match a query.
pub(super) fn find(proxies: &Proxies, store: &Store, clock: Clock, query: &Query) -> Vec<Proxy> {
    let lister = ProxyLister {
        snapshot: &store.snapshot(),
        clock,
    };
    let all = proxies.list();
    let matching = all.iter().filter(|proxy| lister.is_asked_for(proxy, query));
    matching
        .take(query.most)
        .map(|proxy| lister.proxy(proxy))
        .collect()
}

/// Lists proxies as of one snapshot.
struct ProxyLister<'a> {
    snapshot: &'a Snapshot,
    clock: Clock,
}

impl ProxyLister<'_> {
    fn is_asked_for(&self, proxy: &xds::Proxy, query: &Query) -> bool {
        let is =
            |asked: &Option<String>, given: &str| asked.as_ref().is_none_or(|asked| asked == given);
        let subscribes = |layer: &String| {
            let status = proxy.of_type(&TypeUrl::RUNTIME);
            status.is_some_and(|status| status.names.contains_key(layer.as_str()))
        };
        let is_behind = || {
            let types = proxy.types();
            let mut lags = types.iter().map(|status| proxy.lag(status, self.snapshot));
            lags.any(Lag::is_behind)
        };
        proxy.stream > query.after
            && is(&query.node, &proxy.node.id)
            && is(&query.cluster, &proxy.node.cluster)
            && query.layer.as_ref().is_none_or(subscribes)
            && (!query.behind || is_behind())
    }

    fn proxy(&self, proxy: &xds::Proxy) -> Proxy {
        let types = proxy.types();
        let certificate = proxy.peer.certificate.as_ref();
        Proxy {
            stream: proxy.stream,
            node: proxy.node.id.clone(),
            cluster: proxy.node.cluster.clone(),
            user_agent: proxy.node.user_agent.clone(),
            locality: proxy.node.locality.clone(),
            address: proxy.peer.address.map(|address| address.to_string()),
            certificate: certificate.and_then(|one| one.name().map(str::to_owned)),
            transport: proxy.transport.name().to_owned(),
            connected_since: self.time(proxy.connected),
            types: types
                .iter()
                .map(|status| self.of_type(proxy, status))
                .collect(),
        }
    }

    fn of_type(&self, proxy: &xds::Proxy, status: &TypeStatus) -> Type {
        let lag = proxy.lag(status, self.snapshot);
        let names = status.names.iter().take(MAX_NAMES);
        let version = |delivered: &xds::Delivered| Version {
            version: delivered.version.to_string(),
            time: self.time(delivered.at),
        };
        let refusal = |refused: &xds::Refused| Refusal {
            version: refused.response.version.to_string(),
            time: self.time(refused.response.at),
            code: refused.rejection.code,
            message: truncated(&refused.rejection.message),
        };
        Type {
            name: status.type_url.message().to_owned(),
            wildcard: status.wildcard,
            subscribed: status.subscribed,
            names: names
                .map(|(name, known)| self.name(proxy, &status.type_url, name, known))
                .collect(),
            sent: status.sent.as_ref().map(version),
            acked: status.acked.as_ref().map(version),
            nacked: status.nacked.as_ref().map(refusal),
            behind: Behind {
                names: lag.names,
                versions: lag.versions,
                seconds: lag.since.map_or(0, |since| since.elapsed().as_secs()),
            },
        }
    }

    fn name(&self, proxy: &xds::Proxy, type_url: &TypeUrl, name: &str, known: &NameStatus) -> Name {
        let permitted = proxy.scope.permits(type_url, name);
        let collection = self.snapshot.collection(type_url).filter(|_| permitted);
        let published = match collection.map(|collection| collection.answer(name)) {
            Some(Answer::Resource(resource)) => Some(resource.version().to_string()),
            _ => None,
        };
        let text = |version: fusegate_xds::Version| version.to_string();
        Name {
            name: name.to_owned(),
            permitted,
            published,
            sent: known.sent.map(text),
            acked: known.acked.map(text),
            nacked: known.nacked.map(text),
        }
    }

    fn time(&self, moment: Instant) -> Option<String> {
        time(self.clock.wall_of(moment))
    }
}

/// A message of a proxy, cut if it is too long.
fn truncated(words: &str) -> String {
    if words.len() <= MAX_WORDS {
        return words.to_owned();
    }
    let end = words.floor_char_boundary(MAX_WORDS);
    format!("{}…", words.get(..end).unwrap_or_default())
}
