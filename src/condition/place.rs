//! A place: a field of an object that a contract reads, or that leads to one, in a tree of their names.

use std::collections::BTreeMap;

use crate::condition::json::Json;

/// The name that stands for every entry of a map or list.
pub(super) const EACH: &str = "*";

/// A field that is read, or leads to one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Place {
    fields: BTreeMap<Box<str>, Place>,
    /// What every entry of it is.
    pub(super) each: Option<Box<Place>>,
    /// Whether its own entries are conditions.
    pub(super) has_entries: bool,
    /// Whether it is, or leads to, where the entries are.
    pub(super) leads_to_entries: bool,
    /// The conditions whose value stands here, by their index.
    pub(super) conditions: Vec<usize>,
    /// The inputs of expressions that stand here, by their index.
    pub(super) inputs: Vec<usize>,
}

impl Place {
    /// The place at the end of a path, which grows where there is none yet.
    pub(super) fn grow<'p>(&mut self, mut path: impl Iterator<Item = &'p str>) -> &mut Self {
        let Some(name) = path.next() else {
            return self;
        };
        if name == EACH {
            return self.each.get_or_insert_default().grow(path);
        }
        self.fields.entry(name.into()).or_default().grow(path)
    }

    /// Takes in what another tree leads to. The indexes of the two mean different contracts.
    pub(super) fn merge(&mut self, other: Self) {
        for (name, place) in other.fields {
            self.fields.entry(name).or_default().merge(place);
        }
        if let Some(each) = other.each {
            self.each.get_or_insert_default().merge(*each);
        }
        self.has_entries |= other.has_entries;
        self.leads_to_entries |= other.leads_to_entries;
        self.conditions.extend(other.conditions);
        self.inputs.extend(other.inputs);
    }

    /// Makes the end of a path the place of the entries.
    pub(super) fn put_entries<'p>(&mut self, mut path: impl Iterator<Item = &'p str>) {
        self.leads_to_entries = true;
        match path.next() {
            Some(name) => self.grow([name].into_iter()).put_entries(path),
            None => self.has_entries = true,
        }
    }

    /// The place of a field by its name, where it leads anywhere.
    #[inline]
    pub(super) fn find(&self, name: Json<'_>) -> Option<&Self> {
        match name {
            Json::Plain(name) => self.field(name),
            name => self.field(&name.text()?),
        }
    }

    /// The place of a field.
    pub(super) fn field(&self, name: &str) -> Option<&Self> {
        self.fields.get(name)
    }

    /// The names of the fields.
    pub(super) fn fields(&self) -> Vec<&str> {
        self.fields.keys().map(AsRef::as_ref).collect()
    }

    /// The same without one of its fields.
    pub(super) fn without(&self, name: &str) -> Self {
        let mut rest = self.clone();
        rest.fields.remove(name);
        rest
    }

    /// Whether the value itself is read, rather than only looked into.
    pub(super) fn is_read(&self) -> bool {
        !(self.conditions.is_empty() && self.inputs.is_empty())
    }

    /// Whether anything within it is read.
    pub(super) fn leads_on(&self) -> bool {
        self.has_entries || self.each.is_some() || !self.fields.is_empty()
    }
}

/// The names of a path such as `.status.health.*`.
pub(super) fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').filter(|name| !name.is_empty())
}
