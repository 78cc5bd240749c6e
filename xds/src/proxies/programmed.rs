//! How far one version of one resource has come among the proxies.

use crate::name;
use crate::protocol::Isolated;
use crate::proxies::{Proxy, Refused};
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
    /// How many of those that refused this version have all of it but the parts that they refuse.
    pub partly: usize,
    /// The first few parts that were found to be bad, each with the node's id and its own words.
    pub isolated: Vec<(String, Isolated)>,
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
        let found = status.isolated.iter();
        let isolated: Vec<&Isolated> = found
            .filter(|isolated| *isolated.name == *name && isolated.version == Some(version))
            .collect();
        if known.acked == Some(version) {
            self.acked += 1;
        } else if known.nacked == Some(version) || !isolated.is_empty() {
            self.nacked += 1;
            let in_parts = isolated.iter().all(|isolated| isolated.part.is_some());
            self.partly += usize::from(in_parts && !isolated.is_empty());
            self.quote(proxy, status.nacked.as_ref(), &isolated);
        }
    }

    fn quote(&mut self, proxy: &Proxy, refused: Option<&Refused>, isolated: &[&Isolated]) {
        let node = &proxy.node.id;
        let last = refused.map(|refused| &refused.rejection);
        let exact = isolated.first().map(|isolated| &isolated.rejection);
        if let Some(rejection) = exact.or(last).filter(|_| self.refusals.len() < MAX_QUOTED) {
            self.refusals
                .push((node.clone(), rejection.message.clone()));
        }
        let room = MAX_QUOTED.saturating_sub(self.isolated.len());
        let quoted = isolated.iter().take(room);
        self.isolated
            .extend(quoted.map(|isolated| (node.clone(), Isolated::clone(isolated))));
    }
}
