//! Junctors: `allOf`, `anyOf`, `oneOf` and `not`, which restrict a value further.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::Value;

use crate::{problem::Problems, schema::walk::Walk};

impl Walk<'_> {
    /// Reports what the junctors of a schema have against a value.
    pub(super) fn junctors(self, schema: &JSONSchemaProps, value: &Value, problems: &mut Problems) {
        let walk = Self {
            closed: false,
            ..self
        };
        for part in schema.all_of.iter().flatten() {
            walk.value(part, value, problems);
        }
        if let Some(any_of) = &schema.any_of
            && walk.count(any_of, value) == 0
        {
            problems.report("must meet at least one of the alternatives in the schema's anyOf");
        }
        if let Some(one_of) = &schema.one_of {
            let count = walk.count(one_of, value);
            if count != 1 {
                problems.report(format!(
                    "must meet exactly one of the alternatives in the schema's oneOf, meets {count}"
                ));
            }
        }
        if let Some(not) = &schema.not
            && walk.accepts(not, value)
        {
            problems.report("must not meet the schema's not");
        }
    }

    fn count(self, schemas: &[JSONSchemaProps], value: &Value) -> usize {
        let accepting = schemas.iter().filter(|schema| self.accepts(schema, value));
        accepting.count()
    }

    fn accepts(self, schema: &JSONSchemaProps, value: &Value) -> bool {
        let mut problems = Problems::default();
        self.value(schema, value, &mut problems);
        problems.is_empty()
    }
}
