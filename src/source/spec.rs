//! A decoded spec of our own kinds: the typed form, or everything that is wrong with it.

use std::sync::Arc;

use fusegate_crds::{Kind, Problem};
use kube::core::object::HasSpec;
use serde_json::{Value, json};

/// The prefix of the annotations that are kept; all others are dropped.
pub(crate) const ANNOTATION_PREFIX: &str = "fusegate.io/";

/// A shared spec, or what is wrong with it: field, limit, what to do.
pub(crate) type Decoded<S> = Result<Arc<S>, Vec<String>>;

/// Decodes an object that an API server has accepted by the installed schema. Unknown fields
/// are ignored: a newer fusegate may have added them. The rules are checked again, because the
/// installed schema may be older than this fusegate.
pub(crate) fn served<T>(mut object: Value) -> Decoded<T::Spec>
where
    T: Kind + HasSpec<Spec: Clone>,
{
    if let Ok(schema) = T::schema() {
        schema.fill(&mut object);
    }
    let object: T =
        serde_json::from_value(object).map_err(|error| vec![format!("spec: {error}")])?;
    match object.problems() {
        problems if problems.is_empty() => Ok(Arc::new(object.spec().clone())),
        problems => Err(texts(&problems)),
    }
}

/// Decodes an object that nothing has validated yet; unknown fields are errors.
pub(crate) fn strict<T>(object: Value) -> Decoded<T::Spec>
where
    T: Kind + HasSpec<Spec: Clone>,
{
    fusegate_crds::strict::<T>(object)
        .map(|object| Arc::new(object.spec().clone()))
        .map_err(|problems| texts(&problems))
}

/// Assembles an object from the parts that a watch keeps.
pub(crate) fn assembled<T: Kind>(namespace: &str, name: &str, spec: Value) -> Value {
    let mut object = json!({
        "apiVersion": T::api_version(&()),
        "kind": T::kind(&()),
        "metadata": {"name": name, "namespace": namespace},
    });
    if let Some(fields) = object.as_object_mut() {
        fields.insert("spec".to_owned(), spec);
    }
    object
}

fn texts(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(Problem::to_string).collect()
}
