//! A place: where in an object something stands, exactly, and in the shape that all such places share.

/// Where something stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// With the index of each item and the name of each key: `spec.ports[3].name`.
    pub(super) exact: String,
    /// With `[]` for any item and `*` for any key of a map: `spec.ports[].name`.
    pub(super) shape: String,
}

impl Place {
    /// A field of the object here.
    pub(super) fn field(&self, name: &str) -> Self {
        Self {
            exact: joined(&self.exact, name),
            shape: joined(&self.shape, name),
        }
    }

    /// The value of a map's key here.
    pub(super) fn key(&self, name: &str) -> Self {
        Self {
            exact: joined(&self.exact, name),
            shape: joined(&self.shape, "*"),
        }
    }

    /// An item of the list here.
    pub(super) fn item(&self, index: usize) -> Self {
        Self {
            exact: format!("{}[{index}]", self.exact),
            shape: format!("{}[]", self.shape),
        }
    }

    /// Whether this is the whole object.
    pub(super) fn is_root(&self) -> bool {
        self.exact.is_empty()
    }

    /// Whether this is below a field of the whole object, or that field itself.
    pub(super) fn is_in(&self, field: &str) -> bool {
        let rest = self.exact.strip_prefix(field);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
