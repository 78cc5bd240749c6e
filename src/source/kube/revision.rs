//! Converts a stored revision to a `ControllerRevision` in fusegate's own namespace, and back.
//!
//! `data` is immutable at the API server, so what may change later is an annotation: the
//! bad mark, which a person clears by removing it, and the time when the schema was last
//! live. There is no owner reference: deleting a CRD must not garbage-collect its history.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use twox_hash::XxHash3_128;

use crate::source::dir::layout::StoredRevision;
use crate::wire::event::Revision;

/// Label: the CRD's name, or a hash of it if the name is not a valid label value.
pub const CRD_LABEL: &str = "fusegate.io/crd";
/// Label: the hash of the schema.
pub const HASH_LABEL: &str = "fusegate.io/hash";
/// Annotation: the trip that marked the schema bad. A person clears the mark by removing it.
pub const BAD_ANNOTATION: &str = "fusegate.io/bad";
/// Annotation: Unix milliseconds at which the schema was last made live.
pub const SEEN_AT_ANNOTATION: &str = "fusegate.io/seen-at";

/// Longest name of an object (RFC 1123 subdomain) and longest label value.
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

/// Why a `ControllerRevision` is not a stored revision. Each variant names the object.
#[derive(Debug, thiserror::Error)]
pub enum Stored {
    /// It has no data.
    #[error("ControllerRevision {name}: it has no data; delete it, or restore it from a backup")]
    Empty {
        /// Its name.
        name: String,
    },
    /// It was not written by fusegate, or was edited.
    #[error("ControllerRevision {name}: decoding data; delete it, or restore it from a backup")]
    Decode {
        /// Its name.
        name: String,
        /// What is wrong in it.
        #[source]
        source: serde_json::Error,
    },
}

/// The object name of a revision: `<crd>-<number>`, with the CRD's name hashed if it would be too long.
pub fn object_name(crd: &str, number: u64) -> String {
    let whole = format!("{crd}-{number}");
    if whole.len() <= LONGEST_NAME {
        return whole;
    }
    format!("{}-{number}", hashed(crd))
}

/// The value of [`CRD_LABEL`] for a CRD.
pub fn crd_label(crd: &str) -> String {
    if crd.len() <= LONGEST_LABEL {
        crd.to_owned()
    } else {
        hashed(crd)
    }
}

/// A revision as an object to be created in a namespace.
///
/// # Errors
///
/// When the schema can't be serialized, which can't happen to one that was read as JSON.
pub fn to_object(
    revision: &Revision,
    namespace: &str,
) -> Result<ControllerRevision, serde_json::Error> {
    let stored = StoredRevision {
        bad: None,
        ..StoredRevision::from(revision)
    };
    let mut annotations =
        BTreeMap::from([(SEEN_AT_ANNOTATION.to_owned(), revision.seen_at.to_string())]);
    if let Some(trip) = &revision.bad {
        annotations.insert(BAD_ANNOTATION.to_owned(), trip.to_string());
    }
    Ok(ControllerRevision {
        metadata: ObjectMeta {
            name: Some(object_name(&revision.crd, revision.number)),
            namespace: Some(namespace.to_owned()),
            labels: Some(labels(revision)),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        data: Some(RawExtension(serde_json::to_value(&stored)?)),
        revision: i64::try_from(revision.number).unwrap_or(i64::MAX),
    })
}

/// The revision that an object holds.
///
/// # Errors
///
/// When the object has no data, or data that fusegate didn't write.
pub fn from_object(object: ControllerRevision) -> Result<Revision, Stored> {
    let name = object.metadata.name.unwrap_or_default();
    let Some(RawExtension(data)) = object.data else {
        return Err(Stored::Empty { name });
    };
    let stored: StoredRevision =
        serde_json::from_value(data).map_err(|source| Stored::Decode { name, source })?;
    let annotations = object.metadata.annotations.unwrap_or_default();
    let seen_at = annotations
        .get(SEEN_AT_ANNOTATION)
        .and_then(|text| text.parse().ok());
    Ok(Revision {
        seen_at: seen_at.unwrap_or(stored.seen_at),
        bad: annotations
            .get(BAD_ANNOTATION)
            .map(|trip| trip.as_str().into()),
        ..Revision::from(stored)
    })
}

fn labels(revision: &Revision) -> BTreeMap<String, String> {
    let hash: String = revision.hash.chars().take(LONGEST_LABEL).collect();
    BTreeMap::from([
        (CRD_LABEL.to_owned(), crd_label(&revision.crd)),
        (HASH_LABEL.to_owned(), hash),
    ])
}

fn hashed(text: &str) -> String {
    format!("{:032x}", XxHash3_128::oneshot(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn revision(crd: &str) -> Revision {
        Revision {
            crd: crd.into(),
            crd_uid: "u1".into(),
            number: 12,
            hash: "abc".into(),
            seen_at: 1_700_000_000_000,
            bad: Some("trip-1".into()),
            spec: Arc::new(json!({"group": "shop.example.com"})),
        }
    }

    #[test]
    fn a_revision_survives_the_way_there_and_back() {
        let before = revision("storefronts.shop.example.com");
        let object = to_object(&before, "fusegate").unwrap();
        assert_eq!(
            object.metadata.name.as_deref(),
            Some("storefronts.shop.example.com-12")
        );
        assert_eq!(object.revision, 12);
        assert!(object.data.as_ref().unwrap().0.get("bad").is_none());
        assert_eq!(from_object(object).unwrap(), before);
    }

    #[test]
    fn removing_the_annotation_clears_the_bad_mark() {
        let mut object = to_object(&revision("a.b"), "fusegate").unwrap();
        object
            .metadata
            .annotations
            .as_mut()
            .unwrap()
            .remove(BAD_ANNOTATION);
        assert_eq!(from_object(object).unwrap().bad, None);
    }

    #[test]
    fn a_long_crd_name_still_gives_valid_names_that_differ() {
        let [first, second] = ["x", "y"].map(|last| format!("{}.{last}", "a".repeat(251)));
        for crd in [&first, &second] {
            assert!(object_name(crd, u64::MAX).len() <= LONGEST_NAME);
            assert!(crd_label(crd).len() <= LONGEST_LABEL);
        }
        assert_ne!(object_name(&first, 1), object_name(&second, 1));
        assert_ne!(crd_label(&first), crd_label(&second));
    }

    #[test]
    fn data_that_fusegate_did_not_write_names_the_object() {
        let mut object = to_object(&revision("a.b"), "fusegate").unwrap();
        object.data = Some(RawExtension(json!({"nonsense": 1})));
        assert!(
            from_object(object.clone())
                .unwrap_err()
                .to_string()
                .contains("a.b-12")
        );
        object.data = None;
        assert!(
            from_object(object)
                .unwrap_err()
                .to_string()
                .contains("a.b-12")
        );
    }
}
