//! What the xDS library's users see: no crate among it that is an implementation's own.

use super::tree::Source;
use super::violation::Violation;

/// Crates that no public item of the library may name, so that another version of them, or another crate, breaks nobody.
const PRIVATE: [&str; 3] = ["imbl", "arc_swap", "twox_hash"];

/// Where a public item of the library names one of them.
pub(super) fn violations(source: &Source) -> Vec<Violation> {
    if !source.path.starts_with("xds/src/") || source.tests {
        return Vec::new();
    }
    let imported: Vec<&str> = source.code.split(';').flat_map(imports).collect();
    let mut found = Vec::new();
    for (index, line) in source.code.lines().enumerate() {
        let public = line.trim_start().starts_with("pub ");
        let words = || line.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        let names = |private: &&str| words().any(|word| word == *private);
        let private = imported.iter().chain(&PRIVATE).copied().find(names);
        if let Some(private) = private.filter(|_| public) {
            found.push(Violation {
                path: source.path.clone(),
                line: index + 1,
                rule: format!(
                    "a public item names `{private}`, which is no part of the library's interface"
                ),
            });
        }
    }
    found
}

/// The names that a statement imports of a private crate.
fn imports(statement: &str) -> impl Iterator<Item = &str> {
    let path = statement.rsplit("use ").next().unwrap_or_default().trim();
    let of_private = PRIVATE.iter().any(|private| {
        let rest = path.strip_prefix(private);
        rest.is_some_and(|rest| rest.starts_with("::"))
    });
    let names = path.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    names.filter(move |name| of_private && name.starts_with(char::is_uppercase))
}
