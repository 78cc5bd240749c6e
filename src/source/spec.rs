//! A spec of our own kinds, decoded: the typed form, or every reason why there is none.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// Annotations that decisions may use start with this; all others are dropped.
pub(crate) const ANNOTATION_PREFIX: &str = "fusegate.io/";

/// Decodes a spec.
pub(crate) fn decode<S: DeserializeOwned>(raw: Option<&RawValue>) -> Result<Arc<S>, Vec<String>> {
    let raw = raw.ok_or_else(|| vec!["spec: it is missing; add it".to_owned()])?;
    serde_json::from_str(raw.get())
        .map(Arc::new)
        .map_err(|error| vec![format!("spec: {error}")])
}
