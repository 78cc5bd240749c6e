//! How far one version of one resource has come among the proxies.

use crate::name;
use crate::proxies::Proxy;
use crate::type_url::TypeUrl;
use crate::version::Version;

/// How many refusals are quoted.
const MAX_QUOTED: usize = 8;

/// How far one version of one resource has come among the proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Programmed {
    /// How many streams subscribe to the name.
    pub subscribed: usize,
    /// How many of them took this version.
    pub acked: usize,
    /// How many of them refused this version.
    pub nacked: usize,
    /// How many of them subscribe in a way that is not tracked by name: by wildcard, by glob, or to too many names.
    pub untracked: usize,
    /// The first few refusals: the node's id, and why, in its own words.
    pub refusals: Vec<(String, String)>,
}

impl Programmed {
    pub(super) fn count(
        &mut self,
        proxy: &Proxy,
        type_url: &TypeUrl,
        name: &str,
        version: Version,
    ) {
        let Some(status) = proxy.of_type(type_url) else {
            return;
        };
        if !proxy.scope.permits(type_url, name) {
            return;
        }
        let Some(known) = status.names.get(name) else {
            let in_glob =
                name::glob_of(name).is_some_and(|glob| status.names.contains_key(glob.as_str()));
            let untracked = status.wildcard || in_glob || status.names.len() < status.subscribed;
            self.subscribed += usize::from(untracked);
            self.untracked += usize::from(untracked);
            return;
        };
        self.subscribed += 1;
        if known.nacked == Some(version) {
            self.nacked += 1;
            let refused = status
                .nacked
                .as_ref()
                .filter(|_| self.refusals.len() < MAX_QUOTED);
            let quoted = refused.map(|refused| refused.rejection.message.clone());
            self.refusals
                .extend(quoted.map(|message| (proxy.node.id.clone(), message)));
        } else if known.acked == Some(version) {
            self.acked += 1;
        }
    }
}
