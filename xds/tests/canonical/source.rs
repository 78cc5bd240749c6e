//! Reads messages and their fields from code that `prost` has generated.

use std::collections::BTreeMap;

/// A message that the code defines.
#[derive(Debug, Default)]
pub(crate) struct Message {
    /// The full protobuf name.
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
}

/// A field that is a message or a map.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) number: u32,
    pub(crate) map: bool,
    /// The path of the Rust type of the message, or of the map's values if those are messages.
    pub(crate) child: Option<String>,
}

/// The messages of one package, by the paths of their Rust types.
pub(crate) fn read(package: &str, source: &str) -> BTreeMap<String, Message> {
    let lines = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let text = lines
        .flat_map(str::split_whitespace)
        .collect::<Vec<_>>()
        .join(" ");
    let mut reader = Reader::default();
    reader.module(
        &package.split('.').map(str::to_owned).collect::<Vec<_>>(),
        &text,
    );
    reader.messages()
}

/// What was found, by path; a oneof is a list of fields under its own path.
#[derive(Default)]
struct Reader {
    names: BTreeMap<String, String>,
    fields: BTreeMap<String, Vec<Field>>,
    oneofs: Vec<(String, String)>,
}

impl Reader {
    fn module(&mut self, path: &[String], mut text: &str) {
        while let Some((keyword, name, body, rest)) = item(text) {
            let own = path.join("::") + "::" + name;
            match keyword {
                "pub mod " => self.module(&[path, &[name.to_owned()]].concat(), body),
                "impl ::prost::Name for " => {
                    let full_name = body
                        .split("fn full_name")
                        .nth(1)
                        .and_then(|text| text.split('"').nth(1));
                    self.names.insert(own, full_name.unwrap().to_owned());
                }
                _ => self.body(path, &own, body),
            }
            text = rest;
        }
    }

    fn body(&mut self, path: &[String], own: &str, body: &str) {
        let mut fields = Vec::new();
        for field in body.split("#[prost(").skip(1) {
            let (attribute, rest) = field.split_once(")]").unwrap();
            if let Some(oneof) = value(attribute, "oneof") {
                self.oneofs.push((own.to_owned(), resolve(path, oneof)));
                continue;
            }
            let map = value(attribute, "map").or_else(|| value(attribute, "btree_map"));
            let messages = map.map_or(attribute.starts_with("message"), |map| {
                map.ends_with("message")
            });
            if map.is_some() || messages {
                let number = value(attribute, "tag").unwrap().parse().unwrap();
                let child = messages.then(|| resolve(path, type_path(rest)));
                fields.push(Field {
                    number,
                    map: map.is_some(),
                    child,
                });
            }
        }
        self.fields.insert(own.to_owned(), fields);
    }

    fn messages(self) -> BTreeMap<String, Message> {
        let mut messages = BTreeMap::new();
        for (path, name) in self.names {
            let mut fields = self.fields.get(&path).cloned().unwrap_or_default();
            for (_, oneof) in self.oneofs.iter().filter(|(owner, _)| *owner == path) {
                fields.extend(self.fields.get(oneof).cloned().unwrap_or_default());
            }
            messages.insert(path, Message { name, fields });
        }
        messages
    }
}

/// The next module, type or name in the text: its keyword, name and body, and what comes after it.
fn item(text: &str) -> Option<(&'static str, &str, &str, &str)> {
    let keywords = [
        "pub mod ",
        "pub struct ",
        "pub enum ",
        "impl ::prost::Name for ",
    ];
    let found = keywords
        .into_iter()
        .filter_map(|keyword| Some((text.find(keyword)?, keyword)));
    let (start, keyword) = found.min()?;
    let after = &text[start + keyword.len()..];
    let (name, body) = after.split_once('{')?;
    let mut depth = 1;
    let end = body.char_indices().find(|(_, character)| {
        depth += i32::from(*character == '{') - i32::from(*character == '}');
        depth == 0
    })?;
    Some((keyword, name.trim(), &body[..end.0], &body[end.0 + 1..]))
}

/// The value of `key = "value"` in an attribute.
fn value<'a>(attribute: &'a str, key: &str) -> Option<&'a str> {
    let start = attribute.find(&format!("{key} = \""))?;
    attribute[start..].split('"').nth(1)
}

/// The innermost path of a field's type: `pub name: Option<Vec<path>>,` or `Name(Box<path>),`.
fn type_path(field: &str) -> &str {
    let wrapped = field.split_once(['(', ':']).unwrap().1;
    let end = wrapped.find("#[").unwrap_or(wrapped.len());
    let end = wrapped[..end].find(", pub ").unwrap_or(end);
    let inner = wrapped[..end].rsplit('<').next().unwrap();
    let map_value = inner
        .split_once("String,")
        .map_or(inner, |(_, value)| value);
    let map_value = map_value
        .split_once("64,")
        .map_or(map_value, |(_, value)| value);
    let map_value = map_value
        .split_once("32,")
        .map_or(map_value, |(_, value)| value);
    map_value.trim().split([',', '>', ')', ' ']).next().unwrap()
}

fn resolve(path: &[String], relative: &str) -> String {
    let mut absolute = path.to_vec();
    for segment in relative.split("::").filter(|segment| !segment.is_empty()) {
        if segment == "super" {
            absolute.pop();
        } else {
            absolute.push(segment.to_owned());
        }
    }
    absolute.join("::")
}
