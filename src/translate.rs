//! Translate: a policy layer to the Envoy resource that says it.
//!
//! It answers with the resource and what could not be said; one bad key never
//! keeps a layer from being published.

use std::sync::Arc;

use fusegate_xds::resource::Resource;
use fusegate_xds::runtime::{self, RuntimeValue as Said};

use crate::policy::layer::RuntimeValue;
use crate::policy::layers::Layer;

/// The longest text value in a layer, in bytes; an entry of a conditions map may
/// have 1,024 by default, and Envoy keeps every value on every worker.
pub const MAX_TEXT: usize = 1_024;

/// A key that Envoy can't be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untranslatable {
    /// The key.
    pub key: Arc<str>,
    /// Why, and what to do.
    pub message: Box<str>,
}

/// The RTDS resource of a layer, and the keys that had to be left out.
pub fn layer(layer: &Layer) -> (Resource, Vec<Untranslatable>) {
    let mut untranslatable = Vec::new();
    let mut said = Vec::with_capacity(layer.keys.len());
    for (key, value) in &layer.keys {
        match say(value) {
            Ok(value) => said.push((&**key, value)),
            Err(message) => untranslatable.push(Untranslatable {
                key: key.clone(),
                message: message.into(),
            }),
        }
    }
    (runtime::layer(layer.name.as_str(), said), untranslatable)
}

/// The layer in which nothing is published. Envoy can't be cleared by leaving a layer out.
pub fn empty(name: &str) -> Resource {
    runtime::layer(name, [])
}

fn say(value: &RuntimeValue) -> Result<Said, String> {
    match value {
        RuntimeValue::Number(number) if number.is_finite() => Ok(Said::Number(*number)),
        RuntimeValue::Number(number) => {
            Err(format!("{number} is no finite number; Envoy can't hold it"))
        }
        RuntimeValue::Text(text) if text.len() <= MAX_TEXT => Ok(Said::Text(text.to_string())),
        RuntimeValue::Text(text) => Err(format!(
            "has {} bytes, and a runtime value may have {MAX_TEXT}; shorten it",
            text.len()
        )),
        RuntimeValue::Bool(flag) => Ok(Said::Bool(*flag)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::policy::layer::LayerName;

    #[test]
    fn a_key_that_can_not_be_said_keeps_no_other_from_being_said() {
        let keys = BTreeMap::from([
            ("bad".into(), RuntimeValue::Number(f64::INFINITY)),
            ("good".into(), RuntimeValue::Number(100.0)),
            (
                "long".into(),
                RuntimeValue::Text("x".repeat(MAX_TEXT + 1).into()),
            ),
        ]);
        let name = LayerName::try_new("shop").unwrap();
        let (resource, untranslatable) = layer(&Layer {
            name,
            keys,
            warnings: Vec::new(),
        });
        let left_out: Vec<&str> = untranslatable
            .iter()
            .map(|untranslatable| &*untranslatable.key)
            .collect();
        assert_eq!(left_out, ["bad", "long"]);
        assert_eq!(
            resource.version(),
            runtime::layer("shop", [("good", Said::Number(100.0))]).version()
        );
    }

    #[test]
    fn equal_layers_have_equal_versions_and_the_empty_one_differs() {
        assert_eq!(empty("shop").version(), empty("shop").version());
        let full = runtime::layer("shop", [("a", Said::Bool(true))]);
        assert_ne!(empty("shop").version(), full.version());
    }
}
