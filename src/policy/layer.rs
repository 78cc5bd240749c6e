//! A layer: an RTDS layer's name, and the values that it may hold.

use std::fmt;
use std::sync::Arc;

/// The suffix of the layer that carries published conditions.
pub const CONDITIONS_SUFFIX: &str = "conditions";

/// The longest layer name; a namespace has at most 63 characters, and a suffix may have as many again and more.
pub const MAX_LAYER_NAME: usize = 253;

/// A layer name: `<namespace>` or `<namespace>.<suffix>`, each part a DNS label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerName(Arc<str>);

/// Text that is no layer name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no layer name; use DNS labels of lower-case letters, digits and '-', joined by dots, at most {MAX_LAYER_NAME} characters"
)]
pub struct InvalidLayerName(String);

/// A value that Envoy's runtime can hold. A number is always finite.
#[derive(Clone, Debug, PartialEq)]
pub enum RuntimeValue {
    /// A finite number.
    Number(f64),
    /// Text.
    Text(Arc<str>),
    /// True or false.
    Bool(bool),
}

impl LayerName {
    /// Checks the syntax.
    pub fn try_new(name: &str) -> Result<Self, InvalidLayerName> {
        let valid = name.len() <= MAX_LAYER_NAME && name.split('.').all(is_label);
        if valid {
            Ok(Self(name.into()))
        } else {
            Err(InvalidLayerName(name.chars().take(64).collect()))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The namespace whose policies may write it.
    pub fn namespace(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }

    /// Whether policies of a namespace may write it: its own name, or that and a suffix.
    pub fn permitted(&self, namespace: &str) -> bool {
        self.0
            .strip_prefix(namespace)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// The layer beside this one that carries published conditions.
    #[must_use]
    pub fn conditions(&self) -> Self {
        Self(format!("{}.{CONDITIONS_SUFFIX}", self.0).into())
    }
}

impl fmt::Display for LayerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&label.len())
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("shop", "shop", true)]
    #[case("shop.eu", "shop", true)]
    #[case("shop.conditions", "shop", true)]
    #[case("shop-eu", "shop", false)]
    #[case("shopping", "shop", false)]
    #[case("other", "shop", false)]
    fn a_namespace_may_write_its_own_layers_only(
        #[case] layer: &str,
        #[case] namespace: &str,
        #[case] permitted: bool,
    ) {
        assert_eq!(
            LayerName::try_new(layer).unwrap().permitted(namespace),
            permitted
        );
    }

    #[rstest]
    #[case("")]
    #[case("Shop")]
    #[case("shop.")]
    #[case(".shop")]
    #[case("-shop")]
    #[case("shop\n")]
    fn text_that_is_no_name_is_refused(#[case] text: &str) {
        assert!(LayerName::try_new(text).is_err());
    }
}
