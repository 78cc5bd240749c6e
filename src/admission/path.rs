//! A path: how a policy reaches a field of an object, whatever else stands on the way.
//!
//! Selecting a field of something that is no map is an error in CEL, and an error denies. So each step asks first.

use crate::admission::cel;

/// The variables of a policy by which it reaches fields, each computed once per request.
#[derive(Debug, Default)]
pub(super) struct Variables {
    /// Names and expressions, each after those that it uses.
    list: Vec<(String, String)>,
    /// The paths of those that are steps.
    paths: Vec<(String, String)>,
}

impl Variables {
    /// Adds a variable, and returns how it is used.
    pub(super) fn add(&mut self, name: String, expression: String) -> String {
        let used = format!("variables.{name}");
        self.list.push((name, expression));
        used
    }

    /// What stands at a path below a variable or null: the variable that holds it.
    pub(super) fn field<'p>(
        &mut self,
        from: &str,
        path: impl IntoIterator<Item = &'p str>,
    ) -> String {
        let mut at = from.to_owned();
        let mut walked = from.to_owned();
        for name in path {
            walked = format!("{walked}.{name}");
            let known = self.paths.iter().find(|(path, _)| *path == walked);
            at = if let Some((_, known)) = known {
                known.clone()
            } else {
                let step = step(&at, name);
                let added = self.add(format!("at{}", self.paths.len()), step);
                self.paths.push((walked.clone(), added.clone()));
                added
            };
        }
        at
    }

    /// Names and expressions, each after those that it uses.
    pub(super) fn list(&self) -> &[(String, String)] {
        &self.list
    }
}

/// The names of a path such as `.status.health`.
pub(super) fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').filter(|name| !name.is_empty())
}

/// A field of an expression's value, or null.
pub(super) fn step(of: &str, name: &str) -> String {
    let name = cel::quote(name);
    format!("type({of}) == map && {name} in {of} ? {of}[{name}] : null")
}

/// What stands at a path below an object, or null, without variables.
pub(super) fn inline<'p>(object: &str, path: impl IntoIterator<Item = &'p str>) -> String {
    let mut at = object.to_owned();
    let mut guards = Vec::new();
    for name in path {
        let name = cel::quote(name);
        guards.push(format!("type({at}) == map && {name} in {at}"));
        at = format!("{at}[{name}]");
    }
    if guards.is_empty() {
        return at;
    }
    format!("({} ? {at} : null)", guards.join(" && "))
}
