//! The commands: what an engineer would type next, ready to be copied.
//!
//! Names come from outside, so each word is quoted as a POSIX shell takes it.

use serde::Serialize;

use crate::serve::installation::Installation;
use crate::wire::event::GroupKind;

/// One command.
#[derive(Debug, Serialize)]
pub(super) struct Command {
    what: &'static str,
    command: String,
}

/// Which circuit.
pub(super) struct Of<'a> {
    pub(super) namespace: &'a str,
    pub(super) policy: &'a str,
    pub(super) object: &'a str,
    pub(super) kind: Option<&'a GroupKind>,
    pub(super) trip: Option<&'a str>,
}

/// To look closer, to override, and to undo that.
pub(super) fn commands(installation: &Installation, of: &Of<'_>) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut add = |what, command| commands.push(Command { what, command });
    let server = word(&installation.link);
    let policy = word(&format!("{}/{}", of.namespace, of.policy));
    let (namespace, object) = (word(of.namespace), word(of.object));
    if let Some(trip) = of.trip {
        add(
            "This trip's story, in a terminal",
            format!("fusegate explain {} --server {server}", word(trip)),
        );
    }
    add(
        "What the gate answers, and why",
        format!("fusegate gate {policy} --object {object} --server {server}"),
    );
    let source = if let Some(directory) = &installation.directory {
        format!(" --source {}", word(&format!("dir:{directory}")))
    } else {
        if let Some(kind) = of.kind {
            let kind = word(&kind.to_string());
            add(
                "The object and what it reports",
                format!("kubectl -n {namespace} get {kind} {object} -o yaml"),
            );
        }
        add(
            "What happened to it",
            format!(
                "kubectl -n {namespace} get events --field-selector involvedObject.name={object}"
            ),
        );
        String::new()
    };
    let order = |verb: &str, more: &str| {
        format!("fusegate {verb} {policy} --object {object}{more}{source}")
    };
    add(
        "Let traffic and updates through for half an hour",
        order("hold", " --for 30m --reason 'say why'"),
    );
    add(
        "Shed for half an hour, whatever it reports",
        order("trip", " --for 30m --reason 'say why'"),
    );
    add("Undo either of these", order("release", ""));
    commands
}

/// A word as a shell takes it.
fn word(text: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_./:=@%+".contains(char);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let escaped: String = text.chars().filter(|char| !char.is_control()).collect();
    format!("'{}'", escaped.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("shop/checkout", "shop/checkout")]
    #[case("", "''")]
    #[case("a b; rm -rf /", "'a b; rm -rf /'")]
    #[case("it's", r"'it'\''s'")]
    #[case("$(id)\n`id`", "'$(id)`id`'")]
    fn a_word_is_one_word_to_a_shell(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(word(text), expected);
    }
}
