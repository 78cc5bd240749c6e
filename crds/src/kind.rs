//! What our kinds have in common: a schema, rules, and a strict reading for files.
//!
//! The API server reads leniently, then prunes and refuses; a file has no API server, so [`strict`] is one for it.

mod identity;

use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{CustomResourceExt, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    CircuitOverride, CircuitPolicy, ConditionContract,
    generate::finished,
    problem::{Problem, Problems},
    rule::Check,
    schema::{InvalidSchema, Schema},
};

/// One of our kinds.
pub trait Kind: CustomResourceExt + DeserializeOwned + Resource<DynamicType = ()> {
    /// The kind's schema, compiled once.
    ///
    /// # Errors
    ///
    /// Never, as the tests of the generated definitions hold; it stands for a pattern that can't be compiled.
    fn schema() -> Result<&'static Schema, InvalidSchema>;

    /// The rules that the object breaks and a schema alone can't say.
    ///
    /// An API server has checked most of them already, of what was written since they were there; a directory has checked none.
    fn problems(&self) -> Vec<Problem>;
}

/// Reads an object as strictly as it can be: defaults filled in, and everything that is wrong with it named.
///
/// Unlike an API server it takes an unknown field for a mistake, and names the field that was probably meant.
///
/// # Errors
///
/// Every problem, at most a hundred, each with the path of its field.
pub fn strict<T: Kind>(mut value: Value) -> Result<T, Vec<Problem>> {
    let schema = T::schema().map_err(|invalid| one_problem(&invalid))?;
    schema.fill(&mut value);
    let mut problems = Problems::default();
    identity::check::<T>(&value, &mut problems);
    schema.check_into(&value, &mut problems);
    if !problems.is_empty() {
        return Err(problems.into_vec());
    }
    let object: T = serde_json::from_value(value).map_err(|mismatch| one_problem(&mismatch))?;
    let problems = object.problems();
    if problems.is_empty() {
        Ok(object)
    } else {
        Err(problems)
    }
}

impl Kind for ConditionContract {
    fn schema() -> Result<&'static Schema, InvalidSchema> {
        static SCHEMA: Compiled = LazyLock::new(|| compile(ConditionContract::crd()));
        SCHEMA.as_ref().map_err(Clone::clone)
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        problems.field("spec", |problems| self.spec.check(problems));
        problems.into_vec()
    }
}

impl Kind for CircuitPolicy {
    fn schema() -> Result<&'static Schema, InvalidSchema> {
        static SCHEMA: Compiled = LazyLock::new(|| compile(CircuitPolicy::crd()));
        SCHEMA.as_ref().map_err(Clone::clone)
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        problems.field("spec", |problems| {
            self.spec.check(problems);
            problems.field("mesh", |problems| self.check_layer(problems));
        });
        problems.into_vec()
    }
}

impl Kind for CircuitOverride {
    fn schema() -> Result<&'static Schema, InvalidSchema> {
        static SCHEMA: Compiled = LazyLock::new(|| compile(CircuitOverride::crd()));
        SCHEMA.as_ref().map_err(Clone::clone)
    }

    fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }
}

impl CircuitPolicy {
    /// A layer belongs to a namespace, and a policy writes to its own namespace's only.
    ///
    /// No CEL rule can say it, since rules may not read `metadata.namespace`; without a namespace, as in a file, nothing is said either.
    fn check_layer(&self, problems: &mut Problems) {
        let (Some(layer), Some(namespace)) = (&self.spec.mesh.layer, &self.metadata.namespace)
        else {
            return;
        };
        let suffix = layer.strip_prefix(namespace.as_str());
        if !suffix.is_some_and(|suffix| suffix.is_empty() || suffix.starts_with('.')) {
            problems.field("layer", |problems| {
                problems.report(format!(
                    "is \"{layer}\", must be the policy's namespace \"{namespace}\", or begin with \"{namespace}.\""
                ));
            });
        }
    }
}

type Compiled = LazyLock<Result<Schema, InvalidSchema>>;

fn compile(crd: CustomResourceDefinition) -> Result<Schema, InvalidSchema> {
    Schema::of(&finished(crd), "v1alpha1")
}

fn one_problem(mismatch: &impl ToString) -> Vec<Problem> {
    vec![Problem {
        path: String::new(),
        message: mismatch.to_string(),
    }]
}

#[cfg(test)]
mod tests;
