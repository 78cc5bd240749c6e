//! The circles: files that name each other, directly or over others.

use std::collections::{BTreeMap, BTreeSet};

use super::paths;
use super::tree::Source;

/// What each file names of its own crate.
pub(super) struct Arrows<'a>(BTreeMap<&'a str, BTreeSet<&'a str>>);

impl<'a> Arrows<'a> {
    /// Tests apart: they may name anything.
    pub(super) fn of(sources: &'a [Source]) -> Self {
        let product = || sources.iter().filter(|source| !source.tests);
        let files: BTreeMap<&str, &str> = product()
            .map(|source| (source.path.trim_end_matches(".rs"), source.path.as_str()))
            .collect();
        let arrows = product().map(|source| {
            let named = paths::named(&source.path, &source.code);
            let named = named
                .iter()
                .filter_map(|named| file(&files, source, &named.path));
            let others = named.filter(|other| *other != source.path);
            (source.path.as_str(), others.collect())
        });
        Self(arrows.collect())
    }

    pub(super) fn count(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }

    /// The circles, each with its files in order.
    pub(super) fn circles(&self) -> Vec<Vec<&'a str>> {
        let reached: BTreeMap<&str, BTreeSet<&'a str>> = self
            .0
            .keys()
            .map(|file| (*file, self.reached(file)))
            .collect();
        let circle = |file: &&'a str| -> Vec<&'a str> {
            let both = |other: &&&'a str| reached[**other].contains(file);
            reached[*file].iter().filter(both).copied().collect()
        };
        let circles: BTreeSet<Vec<&str>> = self.0.keys().map(circle).collect();
        circles
            .into_iter()
            .filter(|circle| !circle.is_empty())
            .collect()
    }

    /// Every file that one names, directly or over others; itself only if it stands in a circle.
    fn reached(&self, file: &str) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&str> = self.0[file].iter().copied().collect();
        while let Some(file) = next.pop() {
            if reached.insert(file) {
                next.extend(&self.0[file]);
            }
        }
        reached
    }
}

/// The file that a path leads to: that of its longest part which is a module.
fn file<'a>(files: &BTreeMap<&str, &'a str>, source: &Source, path: &str) -> Option<&'a str> {
    let (root, _) = source.path.split_once("src/")?;
    let inner = path.strip_prefix("crate::")?;
    let mut module = format!("{root}src/{}", inner.replace("::", "/"));
    loop {
        if let Some(file) = files.get(module.as_str()) {
            return Some(file);
        }
        module.truncate(module.rfind('/')?);
    }
}
