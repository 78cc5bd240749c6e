//! A key: namespace and name of a policy or an override.

use std::sync::Arc;

use crate::policy::contribution::Owner;
use crate::wire::event::Meta;

/// Namespace and name of a policy or an override.
pub(crate) type Key = (Arc<str>, Arc<str>);

pub(crate) fn owner(key: &Key, uid: &str) -> Owner {
    Owner(format!("{}/{}/{uid}", key.0, key.1).into())
}

/// Namespace and name of a document.
pub(crate) fn key(meta: &Meta) -> Key {
    (Arc::from(&*meta.namespace), Arc::from(&*meta.name))
}
