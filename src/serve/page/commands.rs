//! The commands: what an engineer would type next, ready to be copied.
//!
//! Names come from outside, so each word is quoted as a POSIX shell takes it.

use serde::Serialize;
use serde_json::json;

use crate::breaker::time::{Span, Wall};
use crate::serve::installation::Installation;
use crate::serve::wire;
use crate::wire::event::GroupKind;

/// How long an override lasts that is typed as it is shown.
const HALF_AN_HOUR: Span = Span::from_secs(1_800);

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
pub(super) fn commands(installation: &Installation, of: &Of<'_>, now: Wall) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut add = |what, command| commands.push(Command { what, command });
    let (namespace, object) = (word(of.namespace), word(of.object));
    let gate = format!(
        "{}/v1/gate/{}/{}?object={}",
        installation.link, of.namespace, of.policy, of.object
    );
    add(
        "What the gate answers, and why",
        format!("curl -s -H 'accept: text/plain' {}", word(&gate)),
    );
    if let Some(trip) = of.trip
        && installation.audit != "-"
    {
        let id = word(&format!("\"{trip}\""));
        add(
            "All that was done about this trip",
            format!("grep {id} {}", word(&installation.audit)),
        );
    }
    if installation.directory.is_none() {
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
    }
    add(
        "Let traffic and updates through for half an hour",
        order(installation, of, now, "ForcedClosed"),
    );
    add(
        "Shed for half an hour, whatever it reports",
        order(installation, of, now, "ForcedOpen"),
    );
    let name = word(&format!("page-{}", of.object));
    add(
        "Undo either of these",
        match &installation.directory {
            Some(directory) => format!("rm {}", word(&file(directory, of))),
            None => format!("kubectl -n {namespace} delete circuitoverride {name}"),
        },
    );
    commands
}

/// A command that overrides a circuit.
fn order(installation: &Installation, of: &Of<'_>, now: Wall, state: &str) -> String {
    let document = json!({
        "apiVersion": "fusegate.io/v1alpha1",
        "kind": "CircuitOverride",
        "metadata": {"name": format!("page-{}", of.object), "namespace": of.namespace},
        "spec": {
            "policy": of.policy, "object": of.object, "state": state,
            "until": wire::time(now + HALF_AN_HOUR), "reason": "say why",
        },
    });
    let document = word(&document.to_string());
    match &installation.directory {
        Some(directory) => format!("echo {document} > {}", word(&file(directory, of))),
        None => format!("echo {document} | kubectl apply -f -"),
    }
}

/// Where an override of a circuit stands in a directory.
fn file(directory: &str, of: &Of<'_>) -> String {
    format!("{directory}/page-{}-{}.yaml", of.namespace, of.object)
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
