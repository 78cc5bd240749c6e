//! The reference: a page that lists every field of every kind, made from the definitions.

use std::fmt::Write as _;

use schemars::schema_for;
use serde_json::Value;

use crate::{CircuitOverrideSpec, CircuitPolicySpec, CircuitPolicyStatus};
use crate::{
    ConditionContractSpec, ConditionContractStatus, bounds, duration, generate::all, rule::KEYWORD,
};

/// What stands above the fields.
const HEAD: &str = "\
# API reference

This page lists every field of `fusegate.io/v1alpha1`, as the CRDs have it.
`make generate` writes it from the types in `crds/src`, and a test fails when it differs from them.

Required fields come first.
A duration is written as `250ms`, `30s`, `10m` or `1h30m`.
`fusegate check` judges files by the same limits, and by rules that a schema can't express.
";

/// Patterns that a person would rather read as words.
const PATTERNS: [(&str, &str); 6] = [
    (bounds::SUBDOMAIN, "a DNS subdomain"),
    (bounds::KIND, "a kind"),
    (bounds::QUALIFIED, "a qualified name"),
    (bounds::LABEL_VALUE, "a label value"),
    (
        bounds::TEMPLATE,
        "a name that may contain `{namespace}` and `{name}`",
    ),
    (
        bounds::TEMPLATE_PREFIX,
        "a name that may contain `{namespace}` and `{name}`, and may end in `*`",
    ),
];

/// An enum of the types: its name, and each choice with its meaning.
struct Choices {
    name: String,
    choices: Vec<(String, String)>,
}

/// The page, and the enums that its fields link to.
pub(super) struct Reference {
    page: String,
    enums: Vec<Choices>,
}

/// The page.
pub(super) fn page() -> String {
    let mut reference = Reference {
        page: HEAD.to_owned(),
        enums: enums(),
    };
    for crd in all() {
        let names = &crd.spec.names;
        let schema = crd.spec.versions[0].schema.clone().unwrap();
        let schema = serde_json::to_value(schema.open_api_v3_schema.unwrap()).unwrap();
        let short = names.short_names.clone().unwrap_or_default().join("`, `");
        let (kind, scope, about) = (&names.kind, &crd.spec.scope, sentences(&schema));
        reference.add(&format!(
            "\n## {kind}\n\n{about}\nScope: {scope}; short name: `{short}`.\n"
        ));
        for part in ["spec", "status"] {
            reference.section(&format!("{kind}.{part}"), &schema["properties"][part]);
        }
    }
    reference.values();
    reference.page
}

impl Reference {
    fn add(&mut self, text: &str) {
        self.page.push_str(text);
    }

    /// An object's fields, then those of the objects within.
    fn section(&mut self, path: &str, schema: &Value) {
        self.add(&format!("\n### {path}\n\n"));
        if schema["description"].is_string() {
            self.add(&format!("{}\n\n", sentences(schema)));
        }
        self.add("| field | type | default | limits | meaning |\n|---|---|---|---|---|\n");
        let fields = fields(schema);
        for (name, field, required) in &fields {
            let default = match &field["default"] {
                _ if *required => "required".to_owned(),
                Value::Null => String::new(),
                Value::Object(_) => "as below".to_owned(),
                default => format!("`{default}`"),
            };
            let row = [
                format!("`{name}`"),
                self.type_of(&format!("{path}.{name}"), field),
                default,
                limits(field).join("; "),
                sentences(field).replace('\n', " "),
            ];
            let row = row.map(|cell| cell.replace('|', "\\|"));
            self.add(&format!("| {} |\n", row.join(" | ")));
        }
        let rules = rules(schema);
        for (index, rule) in rules.iter().enumerate() {
            self.add(if index == 0 { "\nRules:\n\n" } else { "" });
            self.add(&format!("- {rule}\n"));
        }
        for (name, field, _) in fields {
            if let Some((path, object)) = object_within(&format!("{path}.{name}"), field) {
                self.section(&path, object);
            }
        }
    }

    fn type_of(&self, path: &str, field: &Value) -> String {
        if let Some((path, _)) = object_within(path, field) {
            let list = path.ends_with("[]");
            let name = if list { "list of objects" } else { "object" };
            return format!("[{name}](#{})", anchor(&path));
        }
        if let Some(choices) = field["enum"].as_array() {
            let choices: Vec<&str> = choices.iter().map(text).collect();
            let shown = format!("`{}`", choices.join("`, `"));
            let named = self.enums.iter().find(|named| {
                let names = named.choices.iter().map(|(choice, _)| choice.as_str());
                names.eq(choices.iter().copied())
            });
            return named.map_or(shown.clone(), |named| {
                format!("[{shown}](#{})", anchor(&named.name))
            });
        }
        if field["x-kubernetes-int-or-string"] == true {
            return "integer or string".to_owned();
        }
        match text(&field["type"]) {
            "array" => format!("list of {}", self.type_of(path, &field["items"])),
            "object" => {
                let values = self.type_of(path, &field["additionalProperties"]);
                format!("map to {values}")
            }
            "string" if field["format"] == "date-time" => "time, RFC 3339".to_owned(),
            "string" if field["pattern"] == duration::PATTERN => "duration".to_owned(),
            other => other.to_owned(),
        }
    }

    /// What each choice of each enum means.
    fn values(&mut self) {
        self.add("\n## Values\n");
        for Choices { name, choices } in std::mem::take(&mut self.enums) {
            write!(
                self.page,
                "\n### {name}\n\n| value | meaning |\n|---|---|\n"
            )
            .unwrap();
            for (choice, meaning) in choices {
                writeln!(self.page, "| `{choice}` | {meaning} |").unwrap();
            }
        }
    }
}

/// The enums of all types, which the definitions have without the meaning of each choice.
fn enums() -> Vec<Choices> {
    let roots = [
        schema_for!(ConditionContractSpec),
        schema_for!(ConditionContractStatus),
        schema_for!(CircuitPolicySpec),
        schema_for!(CircuitPolicyStatus),
        schema_for!(CircuitOverrideSpec),
    ];
    let defs = roots
        .iter()
        .filter_map(|root| root.get("$defs").and_then(Value::as_object))
        .flatten();
    let named = defs.filter_map(|(name, def)| {
        let choices = def["oneOf"].as_array()?.iter();
        let choices = choices.map(|choice| {
            let meaning = text(&choice["description"]).replace('\n', " ");
            (text(&choice["const"]).to_owned(), meaning)
        });
        let name = name.clone();
        Some(Choices {
            name,
            choices: choices.collect(),
        })
    });
    let mut named: Vec<Choices> = named.collect();
    named.sort_by(|one, next| one.name.cmp(&next.name));
    named.dedup_by(|one, next| one.name == next.name);
    named
}

/// Name, schema and whether it is required; required ones first.
fn fields(schema: &Value) -> Vec<(&str, &Value, bool)> {
    let required = schema["required"].as_array().into_iter().flatten();
    let required: Vec<&str> = required.map(text).collect();
    let properties = schema["properties"].as_object().unwrap();
    let mut fields: Vec<_> = properties
        .iter()
        .map(|(name, field)| (name.as_str(), field, required.contains(&name.as_str())))
        .collect();
    fields.sort_by_key(|(name, _, required)| (!required, *name));
    fields
}

/// The object that a field is, or has in its list, and the name of its section.
fn object_within<'a>(path: &str, field: &'a Value) -> Option<(String, &'a Value)> {
    if field["properties"].is_object() {
        return Some((path.to_owned(), field));
    }
    let items = &field["items"];
    let listed = items["properties"].is_object();
    listed.then(|| (format!("{path}[]"), items))
}

/// What a value must keep to, by the schema's keywords and rules.
fn limits(field: &Value) -> Vec<String> {
    let mut limits = Vec::new();
    if field["enum"].is_array() || field["format"] == "date-time" {
        return limits;
    }
    if field["pattern"] == duration::PATTERN {
        return rules(field);
    }
    limits.extend(field["pattern"].as_str().map(|pattern| {
        let words = PATTERNS.iter().find(|(of, _)| *of == pattern);
        words.map_or_else(
            || format!("matches `{pattern}`"),
            |(_, words)| (*words).into(),
        )
    }));
    for (least, most, unit) in [
        ("minLength", "maxLength", " characters"),
        ("minimum", "maximum", ""),
        ("minItems", "maxItems", " items"),
        ("minProperties", "maxProperties", " entries"),
    ] {
        limits.extend(match (&field[least], &field[most]) {
            (Value::Null, Value::Null) => None,
            (Value::Null, most) => Some(format!("at most {}{unit}", whole(most))),
            (least, Value::Null) => Some(format!("at least {}{unit}", whole(least))),
            (least, most) => Some(format!("{} to {}{unit}", whole(least), whole(most))),
        });
    }
    match text(&field["x-kubernetes-list-type"]) {
        "set" => limits.push("no item twice".to_owned()),
        "map" => {
            let key = text(&field["x-kubernetes-list-map-keys"][0]);
            limits.push(format!("one item for each `{key}`"));
        }
        _ => {}
    }
    if !field["properties"].is_object() {
        limits.extend(rules(field));
    }
    for within in ["items", "additionalProperties"] {
        let each = &field[within];
        if each.is_object() && !each["properties"].is_object() {
            let of_each = self::limits(each).into_iter();
            limits.extend(of_each.map(|limit| format!("each: {limit}")));
        }
    }
    limits
}

/// The messages of a schema's CEL rules.
fn rules(schema: &Value) -> Vec<String> {
    let rules = schema[KEYWORD].as_array().into_iter().flatten();
    rules
        .map(|rule| text(&rule["message"]).to_owned())
        .collect()
}

/// A description, one sentence to a line.
fn sentences(schema: &Value) -> String {
    text(&schema["description"]).replace(". ", ".\n")
}

fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace(['.', '[', ']'], "")
}

/// A number without the fraction that the API's float fields give it.
fn whole(number: &Value) -> String {
    number
        .as_f64()
        .map(|number| format!("{number}"))
        .unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
