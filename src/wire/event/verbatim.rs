//! Verbatim JSON: how the parts of an event that are JSON already are written down and read back.
//!
//! An event takes one line, and an object's status is read back to the last blank, because the engine
//! parses that text by itself.

/// A status.
pub(super) mod text {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::value::RawValue;

    /// Writes it as it stands. One that would break the line, or be taken for the other form, becomes a
    /// JSON string.
    #[allow(clippy::ref_option, reason = "serde passes a field as it is")]
    pub(in super::super) fn serialize<S: Serializer>(
        status: &Option<Box<RawValue>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match status.as_deref().map(RawValue::get) {
            Some(text) if text.starts_with(['"', 'n']) || text.contains('\n') => {
                text.serialize(serializer)
            }
            _ => status.serialize(serializer),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Box<RawValue>>, D::Error> {
        let status = Option::<Box<RawValue>>::deserialize(deserializer)?;
        match status {
            Some(written) if written.get().starts_with('"') => {
                let text: String = serde_json::from_str(written.get()).map_err(D::Error::custom)?;
                RawValue::from_string(text)
                    .map(Some)
                    .map_err(D::Error::custom)
            }
            status => Ok(status),
        }
    }
}

/// A CRD's spec.
pub(super) mod value {
    use std::sync::Arc;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;
    use serde_json::value::RawValue;

    pub(in super::super) fn serialize<S: Serializer>(
        spec: &Arc<Value>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        spec.serialize(serializer)
    }

    /// Reads it by itself, so that it may nest as deeply as where it came from.
    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<Value>, D::Error> {
        let spec = Box::<RawValue>::deserialize(deserializer)?;
        serde_json::from_str(spec.get())
            .map(Arc::new)
            .map_err(D::Error::custom)
    }
}
