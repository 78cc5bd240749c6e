//! The table: a line for each circuit, and how many there are of each state.

use std::io::Write;

use serde::Deserialize;
use serde_json::Value;

use crate::cli::format::{Format, Unwritten};
use crate::cli::grid::{self, NOTHING, cell};
use crate::cli::status::Untold;

const HEAD: [&str; 6] = [
    "NAMESPACE",
    "POLICY",
    "OBJECT",
    "STATE",
    "SINCE",
    "LAST VALUE",
];

const WIDE: [&str; 11] = [
    "NAMESPACE",
    "POLICY",
    "OBJECT",
    "KIND",
    "STATE",
    "EVIDENCE",
    "SINCE",
    "UNTIL",
    "ADMITS",
    "TRIP",
    "VALUES",
];

/// The most characters of a cell.
const LONG: usize = 60;

/// What is told of a circuit.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Circuit {
    namespace: String,
    policy: String,
    object: String,
    kind: Option<String>,
    state: String,
    shadow: String,
    mode: String,
    r#override: Option<String>,
    trip_id: Option<String>,
    since: Option<String>,
    until: Option<String>,
    admit_percent: u8,
    armed: bool,
    latched: bool,
    suppressed: bool,
    inhibited_by: Option<String>,
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
struct Rule {
    condition: String,
    value: Value,
    unit: String,
    class: Option<String>,
    streak: u32,
}

/// Writes the table.
pub(super) fn write(items: &[Value], format: Format, out: &mut impl Write) -> Result<(), Untold> {
    let circuits = items.iter().map(Circuit::deserialize);
    let circuits = circuits.collect::<Result<Vec<_>, _>>()?;
    if circuits.is_empty() {
        writeln!(out, "no circuit that matches").map_err(Unwritten::Write)?;
        return Ok(());
    }
    let written = if format == Format::Wide {
        let rows: Vec<_> = circuits.iter().map(Circuit::wide).collect();
        grid::write(WIDE, &rows, out)
    } else {
        let rows: Vec<_> = circuits.iter().map(Circuit::row).collect();
        grid::write(HEAD, &rows, out)
    };
    written.map_err(Unwritten::Write)?;
    writeln!(out, "\n{}", counts(&circuits)).map_err(Unwritten::Write)?;
    Ok(())
}

/// Such as `4 circuits: 1 Open, 3 Closed`.
fn counts(circuits: &[Circuit]) -> String {
    let of = |state: &str| {
        circuits
            .iter()
            .filter(|circuit| circuit.state == state)
            .count()
    };
    let states = ["Open", "HalfOpen", "Closed"].map(|state| (state, of(state)));
    let some = states.iter().filter(|(_, count)| *count > 0);
    let some: Vec<_> = some
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    let many = if circuits.len() == 1 { "" } else { "s" };
    format!("{} circuit{many}: {}", circuits.len(), some.join(", "))
}

impl Circuit {
    fn row(&self) -> [String; 6] {
        [
            cell(&self.namespace, LONG),
            cell(&self.policy, LONG),
            cell(&self.object, LONG),
            self.standing(),
            or_nothing(self.since.as_deref()),
            self.rules
                .iter()
                .max_by_key(|rule| rule.streak)
                .map_or_else(nothing, Rule::text),
        ]
    }

    fn wide(&self) -> [String; 11] {
        let [namespace, policy, object, state, since, _] = self.row();
        let rules: Vec<_> = self.rules.iter().map(Rule::text).collect();
        [
            namespace,
            policy,
            object,
            or_nothing(self.kind.as_deref()),
            state,
            self.shadow.clone(),
            since,
            or_nothing(self.until.as_deref()),
            format!("{} %", self.admit_percent),
            or_nothing(self.trip_id.as_deref()),
            if rules.is_empty() {
                nothing()
            } else {
                rules.join("; ")
            },
        ]
    }

    /// The state, and what else there is to say of how it stands.
    fn standing(&self) -> String {
        let forced = self.r#override.clone();
        let armed = self.armed && self.shadow == "Closed";
        let root = self.inhibited_by.as_ref();
        let more = [
            forced,
            self.latched.then(|| "latched".to_owned()),
            self.suppressed.then(|| "suppressed".to_owned()),
            armed.then(|| "armed".to_owned()),
            root.map(|root| format!("explained by {root}")),
            (self.mode == "Observe").then(|| "observed".to_owned()),
        ];
        let more: Vec<_> = more.into_iter().flatten().collect();
        if more.is_empty() {
            self.state.clone()
        } else {
            format!("{} ({})", self.state, more.join(", "))
        }
    }
}

impl Rule {
    /// Such as `network-latency 312 ms, Bad 3 in a row`.
    fn text(&self) -> String {
        let value = match &self.value {
            Value::Null => "no value".to_owned(),
            Value::String(text) => format!("{text:?}"),
            Value::Number(number) => {
                let number = number.as_f64().unwrap_or(f64::NAN);
                format!("{number} {}", self.unit).trim_end().to_owned()
            }
            other => other.to_string(),
        };
        let class = self.class.as_deref().unwrap_or("not reported yet");
        let streak = if self.streak > 1 {
            format!(" {} in a row", self.streak)
        } else {
            String::new()
        };
        cell(
            &format!("{} {value}, {class}{streak}", self.condition),
            LONG,
        )
    }
}

fn or_nothing(text: Option<&str>) -> String {
    text.map_or_else(nothing, str::to_owned)
}

fn nothing() -> String {
    NOTHING.to_owned()
}
