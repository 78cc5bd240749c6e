//! The rules for one keyword of a schema: what its change may harm.
//!
//! Sources: crdify's documented validations; Kubernetes, "Validation ratcheting", which spares values
//! that do not change, but not missing required fields, list types, or anything under `anyOf`,
//! `oneOf` and `not`.

use serde_json::Value;

use crate::revision::change::Judgment;

type Side<'a> = Option<&'a Value>;

/// Judges the change of a keyword; `None` when no rule knows it.
pub(super) fn judge(keyword: &str, old: Side<'_>, new: Side<'_>) -> Option<Judgment> {
    Some(match keyword {
        "description" | "title" | "example" | "externalDocs" => {
            Judgment::safe("description", "it is text for people")
        }
        "maximum" => bound("maximum", old, new, |old, new| old <= new),
        "maxLength" => bound("maxLength", old, new, |old, new| old <= new),
        "maxItems" => bound("maxItems", old, new, |old, new| old <= new),
        "maxProperties" => bound("maxProperties", old, new, |old, new| old <= new),
        "minimum" => bound("minimum", old, new, |old, new| old >= new),
        "minLength" => bound("minLength", old, new, |old, new| old >= new),
        "minItems" => bound("minItems", old, new, |old, new| old >= new),
        "minProperties" => bound("minProperties", old, new, |old, new| old >= new),
        "exclusiveMaximum" | "exclusiveMinimum" => strict(new),
        "multipleOf" => bound("multipleOf", old, new, |_, _| false),
        "enum" => values(old, new),
        "pattern" => pattern(new),
        "format" => format(new)?,
        "required" => required(old, new)?,
        "nullable" => nullable(new),
        "type" | "x-kubernetes-int-or-string" => Judgment::harmful(
            "type",
            "stored objects of the old type become invalid, and clients decode them wrongly",
        ),
        "default" => default(old, new),
        "additionalProperties" => additional(old, new)?,
        "x-kubernetes-preserve-unknown-fields" => preserve(new),
        "x-kubernetes-embedded-resource" => Judgment::objects(
            "embeddedResource",
            "what an embedded resource must have, and what of it is pruned, changes",
        ),
        "x-kubernetes-list-type" | "x-kubernetes-list-map-keys" => list_type(keyword, old, new),
        "x-kubernetes-map-type" => map_type(old, new)?,
        "x-kubernetes-validations" => rules(old, new),
        "allOf" => junctor("allOf", new, |rule| {
            Judgment::objects(
                rule,
                "objects must fit all of it; unchanged values are ratcheted",
            )
        }),
        "anyOf" => junctor("anyOf", new, never_ratcheted),
        "oneOf" => junctor("oneOf", new, never_ratcheted),
        "not" => junctor("not", new, never_ratcheted),
        _ => return None,
    })
}

const LOOSER: &str = "it only lets more in";

const TIGHTER: &str = "objects outside the new bound can't be created, and can't be changed there";

/// A bound that is gone or `looser` is safe; one that is new or tighter depends on objects.
fn bound(
    rule: &'static str,
    old: Side<'_>,
    new: Side<'_>,
    looser: impl Fn(f64, f64) -> bool,
) -> Judgment {
    let number = |side: Side<'_>| side.and_then(Value::as_f64);
    match (number(old), number(new)) {
        (_, None) if new.is_none() => Judgment::safe(rule, LOOSER),
        (Some(old), Some(new)) if looser(old, new) => Judgment::safe(rule, LOOSER),
        (_, None) => Judgment::unhandled(),
        (None, Some(_)) if old.is_some() => Judgment::unhandled(),
        _ => Judgment::objects(rule, TIGHTER),
    }
}

fn strict(new: Side<'_>) -> Judgment {
    match new {
        None => Judgment::safe("exclusive", LOOSER),
        Some(_) => Judgment::objects("exclusive", TIGHTER),
    }
}

fn values(old: Side<'_>, new: Side<'_>) -> Judgment {
    const RULE: &str = "enum";
    let list = |side: Side<'_>| side.and_then(Value::as_array).cloned().unwrap_or_default();
    match (old, new) {
        (Some(_), None) => Judgment::clients(RULE, UNPREPARED),
        (Some(_), Some(_)) if list(old).iter().all(|value| list(new).contains(value)) => {
            Judgment::clients(RULE, UNPREPARED)
        }
        _ => Judgment::objects(
            RULE,
            "objects with a value that goes can't be created, and can't be changed there",
        ),
    }
}

const UNPREPARED: &str = "clients may meet values that they don't know";

fn pattern(new: Side<'_>) -> Judgment {
    match new {
        None => Judgment::clients("pattern", UNPREPARED),
        Some(_) => Judgment::objects(
            "pattern",
            "objects that don't match can't be created, and can't be changed there",
        ),
    }
}

/// A format that goes loosens; a new one is judged where what it means is known.
fn format(new: Side<'_>) -> Option<Judgment> {
    const RULE: &str = "format";
    /// Formats that looking at objects decides; others are left to be not understood.
    const KNOWN: &[&str] = &[
        "byte",
        "date",
        "date-time",
        "double",
        "duration",
        "float",
        "int32",
        "int64",
        "ipv4",
        "ipv6",
        "uuid",
    ];
    match new {
        None => Some(Judgment::clients(
            RULE,
            "clients may meet text of another form, and CEL rules see plain text",
        )),
        Some(format) if KNOWN.contains(&format.as_str()?) => Some(Judgment::objects(
            RULE,
            "objects of another form can't be created, and CEL rules see another type",
        )),
        Some(_) => None,
    }
}

fn required(old: Side<'_>, new: Side<'_>) -> Option<Judgment> {
    let none = Vec::new();
    let old = old.map_or(Some(&none), Value::as_array)?;
    let new = new.map_or(Some(&none), Value::as_array)?;
    Some(if new.iter().all(|field| old.contains(field)) {
        Judgment::safe("required", LOOSER)
    } else {
        Judgment::harmful(
            "required",
            "objects without the field can't be written at all: a missing field is never ratcheted",
        )
    })
}

fn nullable(new: Side<'_>) -> Judgment {
    match new {
        Some(Value::Bool(true)) => Judgment::clients("nullable", "clients may meet null"),
        _ => Judgment::harmful("nullable", "stored objects with null become invalid"),
    }
}

fn default(old: Side<'_>, new: Side<'_>) -> Judgment {
    match new {
        Some(_) if old.is_some() => Judgment::harmful(
            "default",
            "objects that never stored the field read another value, and no look at them tells which do",
        ),
        None => Judgment::clients("default", "clients that rely on the default miss it"),
        Some(_) => Judgment::objects(
            "default",
            "every object without the field gets this value, which changes what it does",
        ),
    }
}

fn additional(old: Side<'_>, new: Side<'_>) -> Option<Judgment> {
    const RULE: &str = "additionalProperties";
    Some(match (old, new) {
        (_, Some(Value::Bool(true))) => Judgment::clients(RULE, UNPREPARED),
        (None, Some(Value::Object(_))) => {
            Judgment::clients(RULE, "clients that know fixed fields meet keys of any name")
        }
        (Some(Value::Bool(true)), Some(Value::Object(_))) => {
            Judgment::objects(RULE, "entries must fit the new schema")
        }
        (Some(_), None | Some(Value::Bool(false))) => Judgment::objects(
            RULE,
            "entries are pruned at an object's next write, so no object may have any",
        ),
        _ => return None,
    })
}

fn preserve(new: Side<'_>) -> Judgment {
    const RULE: &str = "preserveUnknownFields";
    match new {
        None => Judgment::objects(
            RULE,
            "fields that the schema doesn't name are pruned at an object's next write",
        ),
        Some(_) => Judgment::clients(RULE, "anything may stand here, unseen by CEL rules"),
    }
}

fn list_type(keyword: &str, old: Side<'_>, new: Side<'_>) -> Judgment {
    const RULE: &str = "listType";
    if keyword == "x-kubernetes-list-type" && is(old, "atomic") && is(new, "atomic") {
        return Judgment::safe(RULE, "a list without a type is atomic");
    }
    Judgment::harmful(
        RULE,
        "lists with repeated items or keys can't be written at all, and appliers' ownership changes",
    )
}

fn map_type(old: Side<'_>, new: Side<'_>) -> Option<Judgment> {
    const RULE: &str = "mapType";
    let [from, to] = [old, new].map(|side| side.map_or(Some("granular"), Value::as_str));
    Some(match (from?, to?) {
        ("granular", "granular") => Judgment::safe(RULE, "a map without a type is granular"),
        ("granular", "atomic") => Judgment::clients(
            RULE,
            "each applier owns the whole map from then on, and removes what others put there",
        ),
        ("atomic", "granular") => Judgment::harmful(
            RULE,
            "who owns which key is not known, so what one applier removes may stay",
        ),
        _ => return None,
    })
}

/// Whether a type is this one, which is also that of a list without one.
fn is(side: Side<'_>, default: &str) -> bool {
    side.is_none_or(|side| side == default)
}

/// CEL rules; their texts for people don't count.
fn rules(old: Side<'_>, new: Side<'_>) -> Judgment {
    const RULE: &str = "celRules";
    let old = old.map(unworded).unwrap_or_default();
    let added: Vec<_> = new.map(unworded).unwrap_or_default();
    let mut added = added
        .into_iter()
        .filter(|rule| !old.contains(rule))
        .peekable();
    if added.peek().is_none() {
        return Judgment::safe(RULE, LOOSER);
    }
    let transition = |rule: &Value| {
        let text = rule.get("rule").and_then(Value::as_str);
        text.is_some_and(|text| text.contains("oldSelf"))
    };
    if added.any(|rule| transition(&rule)) {
        return Judgment::objects(
            RULE,
            "a rule over oldSelf is never ratcheted, and judges every later write",
        );
    }
    Judgment::objects(RULE, "objects that break the rule can't be created")
}

/// The rules of an `x-kubernetes-validations`, without what they say to people.
fn unworded(rules: &Value) -> Vec<Value> {
    let rules = match rules {
        Value::Array(rules) => rules.clone(),
        other => vec![other.clone()],
    };
    let unword = |mut rule: Value| {
        if let Some(fields) = rule.as_object_mut() {
            fields.retain(|name, _| {
                !["message", "messageExpression", "reason", "fieldPath"].contains(&name.as_str())
            });
        }
        rule
    };
    rules.into_iter().map(unword).collect()
}

fn junctor(
    rule: &'static str,
    new: Side<'_>,
    tighter: impl Fn(&'static str) -> Judgment,
) -> Judgment {
    match new {
        None => Judgment::safe(rule, LOOSER),
        Some(_) => tighter(rule),
    }
}

fn never_ratcheted(rule: &'static str) -> Judgment {
    Judgment::harmful(
        rule,
        "objects that don't fit can't be written at all: nothing under it is ratcheted",
    )
}
