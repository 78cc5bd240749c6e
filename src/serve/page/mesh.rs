//! The mesh: what a policy sheds, and which proxies hold its layer as published.

use serde::Serialize;
use serde_json::Value;

use crate::serve::page::rule::plain;
use crate::serve::proxies::{Proxy, Query};
use crate::serve::state::ServeState;
use crate::wire::view::PolicyView;

/// The most proxies that are looked through for those that hold a layer.
const MOST_PROXIES: usize = 10_000;

/// The most of them that are listed, those that refuse first.
const LISTED: usize = 50;

/// A policy's part of the mesh.
#[derive(Debug, Serialize)]
pub(super) struct Mesh {
    layer: Option<String>,
    shed: Value,
    proxies: Proxies,
}

/// Who holds the policy's layer as published.
#[derive(Debug, Default, Serialize)]
struct Proxies {
    subscribed: usize,
    holding: usize,
    refusing: usize,
    listed: Vec<Holder>,
}

#[derive(Debug, Serialize)]
struct Holder {
    node: String,
    address: Option<String>,
    holds: bool,
    version: Option<String>,
    refused: Option<String>,
}

impl Mesh {
    pub(super) fn of(state: &ServeState, policy: &PolicyView) -> Self {
        let spec = policy.spec.as_deref();
        Self {
            layer: policy.layer.as_deref().map(str::to_owned),
            shed: spec.map_or(Value::Null, |spec| plain(&spec.mesh.shed)),
            proxies: Proxies::of(state, policy.layer.as_deref()),
        }
    }
}

impl Proxies {
    fn of(state: &ServeState, layer: Option<&str>) -> Self {
        let Some(layer) = layer else {
            return Self::default();
        };
        let query = Query {
            layer: Some(layer.to_owned()),
            most: MOST_PROXIES,
            ..Query::default()
        };
        let found = (state.proxies)(&query);
        let mut holders: Vec<_> = found
            .iter()
            .filter_map(|proxy| Holder::of(proxy, layer))
            .collect();
        // Those that want looking at come first.
        holders.sort_by_key(|holder| (holder.refused.is_none(), holder.holds));
        let count = |is: fn(&Holder) -> bool| holders.iter().filter(|holder| is(holder)).count();
        Self {
            subscribed: holders.len(),
            holding: count(|holder| holder.holds),
            refusing: count(|holder| holder.refused.is_some()),
            listed: {
                holders.truncate(LISTED);
                holders
            },
        }
    }
}

impl Holder {
    fn of(proxy: &Proxy, layer: &str) -> Option<Self> {
        let mut types = proxy.types.iter();
        let (of_type, name) = types.find_map(|of_type| {
            let mut names = of_type.names.iter();
            Some((of_type, names.find(|name| name.name == layer)?))
        })?;
        let refused = of_type.nacked.as_ref().filter(|_| name.nacked.is_some());
        Some(Self {
            node: proxy.node.clone(),
            address: proxy.address.clone(),
            holds: name.acked.is_some() && name.acked == name.published,
            version: name.acked.clone(),
            refused: refused.map(|refused| refused.message.clone()),
        })
    }
}
