//! A named policy: `NAMESPACE/POLICY`, as commands take it.

use std::fmt;
use std::str::FromStr;

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Not a policy's name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("write it as NAMESPACE/POLICY, such as shop/checkout")]
pub struct NotNamed;

impl FromStr for Named {
    type Err = NotNamed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (namespace, name) = text.split_once('/').ok_or(NotNamed)?;
        if namespace.is_empty() || name.is_empty() || name.contains('/') {
            return Err(NotNamed);
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
