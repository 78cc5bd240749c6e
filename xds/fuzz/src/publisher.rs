//! The publisher: puts letters into a store.

use fusegate_xds::{Resource, Store, TypeUrl, Update};

use crate::{Kind, Name};

/// The names that can be published.
const NAMES: [Name; 3] = [Name::A, Name::B, Name::C];

impl Kind {
    /// Its type URL.
    pub fn type_url(self) -> TypeUrl {
        match self {
            Self::Listener => TypeUrl::LISTENER,
            Self::Runtime => TypeUrl::RUNTIME,
        }
    }

    /// Both.
    pub const ALL: [Self; 2] = [Self::Listener, Self::Runtime];
}

/// Puts a resource of this letter in, or takes the name out.
pub fn publish(store: &Store, kind: Kind, name: Name, letter: Option<u8>) {
    if name == Name::All {
        return;
    }
    let type_url = kind.type_url();
    store.publish(match letter {
        Some(letter) => {
            Update::new().put(Resource::from_bytes(type_url, name.text(), &[letter % 4]))
        }
        None => Update::new().remove(type_url, name.text()),
    });
}

/// Withholds a name that is absent, or releases it.
pub fn withhold(store: &Store, kind: Kind, name: Name, withheld: bool) {
    let update = Update::new();
    store.publish(if withheld {
        update.withhold(kind.type_url(), name.text())
    } else {
        update.release(kind.type_url(), name.text())
    });
}

/// Releases everything and publishes every name anew, with a content that was never refused.
pub fn renew(store: &Store) {
    for kind in Kind::ALL {
        // Whoever withholds any name withholds the complete answer to those who want everything.
        withhold(store, kind, Name::All, false);
        for name in NAMES {
            withhold(store, kind, name, false);
            let resource = Resource::from_bytes(kind.type_url(), name.text(), b"new");
            store.publish(Update::new().put(resource));
        }
    }
}
