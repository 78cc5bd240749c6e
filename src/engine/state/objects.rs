//! Objects: all of one kind, by uid and by name.
//!
//! Both maps are trees, so that no insertion has to move all of them at once, and what both
//! name is in memory once.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::state::object::ObjectEntry;
use crate::wire::event::Meta;

/// By uid, and by namespace and name.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    by_uid: BTreeMap<Arc<str>, Box<ObjectEntry>>,
    by_name: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Arc<str>>>,
}

/// Who an object is, in texts that are shared by everything that is kept of it.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) uid: Arc<str>,
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
    /// Something is kept of it, under this name.
    pub(crate) is_kept: bool,
}

impl Objects {
    pub(crate) fn len(&self) -> usize {
        self.by_uid.len()
    }

    pub(crate) fn contains(&self, uid: &str) -> bool {
        self.by_uid.contains_key(uid)
    }

    pub(crate) fn get(&self, uid: &str) -> Option<&ObjectEntry> {
        self.by_uid.get(uid).map(|object| &**object)
    }

    pub(crate) fn get_mut(&mut self, uid: &str) -> Option<&mut ObjectEntry> {
        self.by_uid.get_mut(uid).map(|object| &mut **object)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &ObjectEntry)> {
        self.by_uid.iter().map(|(uid, object)| (uid, &**object))
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut ObjectEntry> {
        self.by_uid.values_mut().map(|object| &mut **object)
    }

    /// The uids of a namespace's objects, in order.
    pub(crate) fn of_namespace(&self, namespace: &str) -> Vec<Arc<str>> {
        let named = self.by_name.get(namespace);
        let mut uids: Vec<_> = named
            .into_iter()
            .flat_map(|names| names.values().cloned())
            .collect();
        uids.sort();
        uids
    }

    /// How many objects a namespace has.
    pub(crate) fn count_in(&self, namespace: &str) -> usize {
        self.by_name.get(namespace).map_or(0, BTreeMap::len)
    }

    /// The uid of the object of this name.
    pub(crate) fn named(&self, namespace: &str, name: &str) -> Option<&Arc<str>> {
        self.by_name.get(namespace)?.get(name)
    }

    /// Who the object of this metadata is.
    pub(crate) fn identify(&self, meta: &Meta) -> Identity {
        if let Some((uid, object)) = self.by_uid.get_key_value(&*meta.uid) {
            let (namespace, name) = (&object.namespace, &object.name);
            if **namespace == *meta.namespace && **name == *meta.name {
                return Identity {
                    uid: uid.clone(),
                    namespace: namespace.clone(),
                    name: name.clone(),
                    is_kept: true,
                };
            }
        }
        let namespace = self.by_name.get_key_value(&*meta.namespace);
        Identity {
            uid: Arc::from(&*meta.uid),
            namespace: namespace
                .map_or_else(|| Arc::from(&*meta.namespace), |(key, _)| key.clone()),
            name: Arc::from(&*meta.name),
            is_kept: false,
        }
    }

    /// Puts an object where it belongs; answers what was kept of it before.
    pub(crate) fn put(&mut self, uid: &Arc<str>, object: ObjectEntry) -> Option<ObjectEntry> {
        let named =
            |known: &ObjectEntry| known.name == object.name && known.namespace == object.namespace;
        if let Some(slot) = self.by_uid.get_mut(uid).filter(|known| named(known)) {
            return Some(std::mem::replace(&mut **slot, object));
        }
        let before = self.remove(uid).map(|(_, before)| before);
        self.by_name
            .entry(object.namespace.clone())
            .or_default()
            .insert(object.name.clone(), uid.clone());
        self.by_uid.insert(uid.clone(), Box::new(object));
        before
    }

    /// Takes an object out; its name too, unless it already belongs to another.
    pub(crate) fn remove(&mut self, uid: &str) -> Option<(Arc<str>, ObjectEntry)> {
        let (uid, object) = self.by_uid.remove_entry(uid)?;
        if let Some(names) = self.by_name.get_mut(&object.namespace) {
            if names.get(&object.name) == Some(&uid) {
                names.remove(&object.name);
            }
            if names.is_empty() {
                self.by_name.remove(&object.namespace);
            }
        }
        Some((uid, *object))
    }
}
