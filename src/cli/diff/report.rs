//! The report: the changes of each definition, worst first, for people and machines.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use anstyle::AnsiColor;
use clap::ValueEnum;
use serde_json::{Value, json};

use crate::cli::definition::Definition;
use crate::cli::style::Colours;
use crate::revision::change::{Change, Changes, Class, Condition};
use crate::revision::compare::compare;

/// The mildest class that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Conditional changes fail too.
    Conditional,
    /// Only what is unsafe or not understood fails.
    Unsafe,
}

type Definitions = BTreeMap<String, Definition>;

/// What changes, definition by definition.
pub(super) struct Report(Vec<(String, Changes)>);

impl Report {
    pub(super) fn of(old: &Definitions, new: &Definitions) -> Self {
        let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        let changes = |name: &String| match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) => compare(&old.spec, &new.spec, old.stored.as_deref()),
            (old, _) => alone(name, old.is_some()),
        };
        Self(
            names
                .into_iter()
                .map(|name| (name.clone(), changes(name)))
                .collect(),
        )
    }

    pub(super) fn fails(&self, fail_on: FailOn) -> bool {
        let mildest = match fail_on {
            FailOn::Conditional => Class::Conditional(Condition::Clients),
            FailOn::Unsafe => Class::Unsafe,
        };
        self.worst() >= Some(mildest)
    }

    fn worst(&self) -> Option<Class> {
        self.0
            .iter()
            .filter_map(|(_, changes)| changes.worst())
            .max()
    }

    pub(super) fn write(&self, colours: Colours, out: &mut impl Write) -> io::Result<()> {
        for (name, changes) in &self.0 {
            writeln!(out, "{}", colours.bold(name))?;
            for change in worst_first(changes) {
                let class = format!("{:<13}", change.class);
                let class = colours.paint(colour(change.class), &class);
                writeln!(out, "  {class}  {}: {}", change.path, change.message)?;
                writeln!(out, "  {:13}  {}: {}", "", change.rule, change.reason)?;
            }
            if changes.omitted > 0 {
                writeln!(out, "  and {} more", changes.omitted)?;
            }
            writeln!(out, "  {}", summary(changes))?;
        }
        Ok(())
    }

    pub(super) fn json(&self) -> Value {
        let definitions = self.0.iter().map(|(name, changes)| {
            let listed: Vec<_> = worst_first(changes).into_iter().map(as_json).collect();
            json!({
                "name": name,
                "class": changes.worst().map(Class::name),
                "changes": listed,
                "omitted": changes.omitted,
            })
        });
        let definitions: Vec<_> = definitions.collect();
        json!({"class": self.worst().map(Class::name), "definitions": definitions})
    }
}

/// A definition that only one side has.
fn alone(name: &str, removed: bool) -> Changes {
    let (rule, class, message, reason) = if removed {
        (
            "definitionRemoval",
            Class::Unsafe,
            "the definition would be removed",
            "its objects go with it, all of them",
        )
    } else {
        (
            "definitionAddition",
            Class::Safe,
            "the definition would be added",
            "it has no objects yet",
        )
    };
    Changes {
        listed: vec![Change {
            path: name.to_owned(),
            rule,
            class,
            message: message.to_owned(),
            reason,
        }],
        omitted: 0,
    }
}

/// In the order of the schema within each class.
fn worst_first(changes: &Changes) -> Vec<&Change> {
    let mut sorted: Vec<_> = changes.listed.iter().collect();
    sorted.sort_by_key(|change| std::cmp::Reverse(change.class));
    sorted
}

fn as_json(change: &Change) -> Value {
    let mut json = json!({
        "path": change.path,
        "rule": change.rule,
        "class": change.class.name(),
        "message": change.message,
        "reason": change.reason,
    });
    if let Class::Conditional(condition) = change.class {
        let depends_on = match condition {
            Condition::Clients => "Clients",
            Condition::Objects => "Objects",
        };
        if let Some(fields) = json.as_object_mut() {
            fields.insert("dependsOn".to_owned(), depends_on.into());
        }
    }
    json
}

fn summary(changes: &Changes) -> String {
    let count = |name: &str| {
        let of_class = |change: &&Change| change.class.name() == name;
        changes.listed.iter().filter(of_class).count()
    };
    let parts: Vec<_> = ["NotUnderstood", "Unsafe", "Conditional", "Safe"]
        .into_iter()
        .map(|name| (name, count(name)))
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    match changes.listed.len() + changes.omitted {
        0 => "no changes".to_owned(),
        1 => format!("1 change: {}", parts.join(", ")),
        total => format!("{total} changes: {}", parts.join(", ")),
    }
}

const fn colour(class: Class) -> AnsiColor {
    match class {
        Class::Safe => AnsiColor::Green,
        Class::Conditional(_) => AnsiColor::Yellow,
        Class::Unsafe => AnsiColor::Red,
        Class::NotUnderstood => AnsiColor::Magenta,
    }
}
