//! The text: a story for people.

use std::io::Write;

use serde::Deserialize;
use serde_json::Value;

use crate::breaker::time::Wall;
use crate::cli::explain::Unexplained;
use crate::cli::format::Unwritten;
use crate::cli::grid::{self, cell};
use crate::serve::proxies::time;

/// The most characters of a reason.
const LONG: usize = 160;

#[derive(Debug, Deserialize)]
struct Trip {
    id: String,
    #[serde(default)]
    stands: bool,
    story: Vec<Entry>,
    omitted: usize,
    note: Option<String>,
    circuit: Option<Circuit>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    at: Option<i64>,
    operation: String,
    verdict: String,
    resource: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Circuit {
    #[serde(rename = "circuit")]
    whose: Whose,
    rules: Vec<Rule>,
    last_trip: Option<Last>,
    gate: Gate,
    layer: Option<String>,
    proxies: Proxies,
    commands: Vec<Command>,
}

#[derive(Debug, Deserialize)]
struct Whose {
    namespace: String,
    policy: String,
    object: String,
    state: String,
}

#[derive(Debug, Deserialize)]
struct Rule {
    condition: String,
    test: String,
    unit: String,
}

#[derive(Debug, Deserialize)]
struct Last {
    condition: Option<String>,
    value: Value,
}

#[derive(Debug, Deserialize)]
struct Gate {
    reason: String,
}

#[derive(Debug, Deserialize)]
struct Proxies {
    subscribed: usize,
    holding: usize,
    refusing: usize,
}

#[derive(Debug, Deserialize)]
struct Command {
    what: String,
    command: String,
}

/// Writes the story; `wide` has what each entry was done to as well.
pub(super) fn write(story: &Value, wide: bool, out: &mut impl Write) -> Result<(), Unexplained> {
    let trip = Trip::deserialize(story)?;
    let mut text = Vec::new();
    trip.write(wide, &mut text).map_err(Unwritten::Write)?;
    out.write_all(&text).map_err(Unwritten::Write)?;
    Ok(())
}

impl Trip {
    fn write(&self, wide: bool, out: &mut impl Write) -> std::io::Result<()> {
        let standing = if self.stands {
            "it is being recovered from"
        } else {
            "it is over"
        };
        match &self.circuit {
            Some(circuit) => {
                let Whose {
                    namespace,
                    policy,
                    object,
                    state,
                } = &circuit.whose;
                writeln!(
                    out,
                    "Trip {} of {}, by policy {}/{}: {standing}, the circuit is {state}.",
                    self.id,
                    cell(object, LONG),
                    cell(namespace, LONG),
                    cell(policy, LONG)
                )?;
                circuit.cause(out)?;
            }
            None => writeln!(out, "Trip {}", self.id)?,
        }
        if let Some(note) = &self.note {
            writeln!(out, "{note}")?;
        }
        writeln!(out)?;
        if wide {
            let rows: Vec<_> = self.story.iter().map(Entry::wide).collect();
            grid::write(["TIME", "WHAT", "CAME OF IT", "WHY", "OF"], &rows, out)?;
        } else {
            let rows: Vec<_> = self.story.iter().map(Entry::row).collect();
            grid::write(["TIME", "WHAT", "CAME OF IT", "WHY"], &rows, out)?;
        }
        if self.omitted > 0 {
            writeln!(
                out,
                "{} more are left out; the audit log has them",
                self.omitted
            )?;
        }
        match &self.circuit {
            Some(circuit) => circuit.now(out),
            None => Ok(()),
        }
    }
}

impl Entry {
    fn row(&self) -> [String; 4] {
        let at = self.at.and_then(|at| time(Wall(at)));
        [
            cell(&at.unwrap_or_default(), LONG),
            cell(&self.operation, LONG),
            cell(&self.verdict, LONG),
            cell(&self.reason, LONG),
        ]
    }

    fn wide(&self) -> [String; 5] {
        let [at, what, came, why] = self.row();
        [at, what, came, why, cell(&self.resource, LONG)]
    }
}

impl Circuit {
    fn cause(&self, out: &mut impl Write) -> std::io::Result<()> {
        let Some(Last {
            condition: Some(condition),
            value,
        }) = &self.last_trip
        else {
            return Ok(());
        };
        let rule = self.rules.iter().find(|rule| rule.condition == *condition);
        let (test, unit) = rule.map_or(("its rule says so", ""), |rule| {
            (rule.test.as_str(), rule.unit.as_str())
        });
        let value = match value.as_f64() {
            Some(number) => number.to_string(),
            None => cell(&value.to_string(), LONG),
        };
        let value = [value.as_str(), unit].join(" ");
        writeln!(
            out,
            "{condition} was {}: Bad when {test}.",
            value.trim_end()
        )
    }

    fn now(&self, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(out, "\nGate: {}", cell(&self.gate.reason, 900))?;
        if let Some(layer) = &self.layer {
            let Proxies {
                subscribed,
                holding,
                refusing,
            } = self.proxies;
            writeln!(
                out,
                "Mesh: {holding} of {subscribed} proxies hold layer {layer} as published, {refusing} refuse it"
            )?;
        }
        for Command { what, command } in &self.commands {
            writeln!(out, "\n{what}:\n  {command}")?;
        }
        Ok(())
    }
}
