//! A shape: what is known of a value that an expression yields.

use std::rc::Rc;

use serde_json::Value;

use crate::lint::cost::size;
use crate::lint::property::property;

/// What is known of a value.
#[derive(Clone, Debug)]
pub(super) enum Shape<'a> {
    /// What a schema describes; whether it is the root of a resource, which has metadata besides.
    Schema(&'a Value, bool),
    /// What an expression made.
    Made {
        size: u64,
        text: bool,
        /// What is in it, where it is a list or a map.
        entry: Option<Rc<Shape<'a>>>,
    },
}

/// A price and a shape.
pub(super) type Priced<'a> = (u64, Shape<'a>);

impl Shape<'_> {
    /// A number, a truth value, a time.
    pub(super) const fn scalar() -> Self {
        Self::Made {
            size: 1,
            text: false,
            entry: None,
        }
    }

    /// Something of which nothing is known.
    pub(super) const fn unknown() -> Self {
        Self::Made {
            size: u64::MAX,
            text: false,
            entry: None,
        }
    }

    pub(super) const fn text(size: u64) -> Self {
        Self::Made {
            size,
            text: true,
            entry: None,
        }
    }

    pub(super) fn list(size: u64, entry: Option<Rc<Self>>) -> Self {
        Self::Made {
            size,
            text: false,
            entry,
        }
    }

    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Schema(schema, _) => size::largest(schema),
            Self::Made { size, .. } => *size,
        }
    }

    pub(super) fn is_text(&self) -> bool {
        match self {
            Self::Schema(schema, _) => {
                let format = schema.get("format").and_then(Value::as_str);
                let is_text = schema.get("type").is_some_and(|name| name == "string");
                is_text && !matches!(format, Some("date" | "date-time" | "duration"))
            }
            Self::Made { text, .. } => *text,
        }
    }

    pub(super) fn is_list(&self) -> bool {
        match self {
            Self::Schema(schema, _) => schema.get("type").is_some_and(|name| name == "array"),
            Self::Made { entry, .. } => entry.is_some(),
        }
    }

    /// An item of a list, or a value of a map.
    pub(super) fn entry(&self) -> Self {
        match self {
            Self::Schema(schema, _) => {
                let inner = schema
                    .get("items")
                    .or_else(|| schema.get("additionalProperties"));
                inner.map_or_else(Self::unknown, |inner| {
                    Self::Schema(inner, is_resource(inner))
                })
            }
            Self::Made { entry, .. } => match entry {
                Some(entry) => (**entry).clone(),
                None => Self::unknown(),
            },
        }
    }

    /// What a name stands for that runs over it alone: an item of a list, a key of a map.
    /// The API server knows no length of a map's keys, and prices them as empty.
    pub(super) fn first(&self) -> Self {
        match self {
            Self::Schema(schema, _) if schema.get("items").is_none() => Self::text(0),
            _ => self.entry(),
        }
    }

    pub(super) fn field(&self, name: &str) -> Self {
        let Self::Schema(schema, is_root) = self else {
            return Self::unknown();
        };
        if let Some(field) = property(schema, name) {
            return Self::Schema(field, is_resource(field));
        }
        match name {
            "kind" | "apiVersion" | "metadata" | "name" | "generateName" if *is_root => {
                Self::text(size::TEXT)
            }
            _ => self.entry(),
        }
    }
}

fn is_resource(schema: &Value) -> bool {
    schema.get("x-kubernetes-embedded-resource") == Some(&Value::Bool(true))
}
