//! `fusegate hold`, `trip` and `release`: overrides a policy's circuits, and ends that.
//!
//! Each is a [`CircuitOverride`], written as whoever runs the command, so that the API server decides who may. A second
//! one for the same circuits replaces the first.

mod actor;
mod target;

use std::io::Write;
use std::time::Duration;

use clap::Args;
use fusegate_crds::{CircuitOverride, CircuitOverrideSpec, OverrideState, Time};
use serde_json::{Value, json};

use crate::cli::format::{Format, Unwritten};
use crate::cli::gate::duration;
use crate::cli::kube::KubeOptions;
use crate::cli::named::Named;
use crate::cli::order::target::Place;
use crate::cli::run::Source;
use crate::runtime::clock::Clock;

pub use crate::cli::order::target::Unordered;

/// The most characters of a reason, with the name of whoever gives it.
const MOST_REASON: usize = 1_024;

const HOLD: &str = "\
Example:
  fusegate hold shop/checkout --object eu-1 --for 30m --reason 'INC-4711: the probe is broken'

Traffic, updates and releases pass; the circuit is judged on, and what it would do is reported.";

const TRIP: &str = "\
Example:
  fusegate trip shop/checkout --for 30m --reason 'INC-4712: payments are down'

The policy's traffic is shed and its gate refuses, whatever the objects report.";

const RELEASE: &str = "\
Example:
  fusegate release shop/checkout --object eu-1

It ends what `hold` and `trip` ordered for the same object, or, without one, for all. Other overrides stay, and are named.";

/// Which circuits are meant, and where orders are written.
#[derive(Args, Clone, Debug)]
pub struct Circuits {
    /// The policy, as NAMESPACE/POLICY.
    #[arg(value_name = "NAMESPACE/POLICY")]
    pub policy: Named,

    /// Only the circuit of this object; else all of the policy's.
    #[arg(long, value_name = "NAME")]
    pub object: Option<String>,

    /// Where overrides are written: `kube`, or `dir:PATH` for a directory that `fusegate run` watches.
    #[arg(
        long,
        env = "FUSEGATE_SOURCE",
        default_value = "kube",
        value_name = "kube|dir:PATH"
    )]
    pub source: Source,

    /// The API server.
    #[command(flatten)]
    pub kube: KubeOptions,
}

/// For how long, and why.
#[derive(Args, Clone, Debug)]
pub struct Order {
    /// Which circuits.
    #[command(flatten)]
    pub circuits: Circuits,

    /// For how long; it then ends by itself.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub lasts: Duration,

    /// Why, for whoever reads the audit log; your name is added.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,

    /// How what was ordered is written.
    #[arg(long, short, default_value = "table", value_name = "FORMAT")]
    pub output: Format,
}

/// Options of `fusegate hold`.
#[derive(Args, Clone, Debug)]
#[command(after_help = HOLD)]
pub struct Hold {
    /// The order.
    #[command(flatten)]
    pub order: Order,
}

/// Options of `fusegate trip`.
#[derive(Args, Clone, Debug)]
#[command(after_help = TRIP)]
pub struct Trip {
    /// The order.
    #[command(flatten)]
    pub order: Order,
}

/// Options of `fusegate release`.
#[derive(Args, Clone, Debug)]
#[command(after_help = RELEASE)]
pub struct Release {
    /// Which circuits.
    #[command(flatten)]
    pub circuits: Circuits,
}

impl Hold {
    /// Forces the circuits Closed.
    ///
    /// # Errors
    ///
    /// When there is no such policy, or the override can't be written.
    pub async fn print(&self, out: &mut impl Write) -> Result<(), Unordered> {
        self.order.give(OverrideState::ForcedClosed, out).await
    }
}

impl Trip {
    /// Forces the circuits Open.
    ///
    /// # Errors
    ///
    /// When there is no such policy, or the override can't be written.
    pub async fn print(&self, out: &mut impl Write) -> Result<(), Unordered> {
        self.order.give(OverrideState::ForcedOpen, out).await
    }
}

impl Order {
    async fn give(&self, state: OverrideState, out: &mut impl Write) -> Result<(), Unordered> {
        let place = self.circuits.open().await?;
        place.assert_policy(&self.circuits.policy).await?;
        let reason = format!("{} (by {})", self.reason.trim(), place.actor().await);
        if self.reason.trim().is_empty() || reason.chars().count() > MOST_REASON {
            return Err(Unordered::Reason);
        }
        let lasts = i64::try_from(self.lasts.as_millis()).unwrap_or(i64::MAX);
        let until = Clock::start().now().wall.0.saturating_add(lasts);
        let spec = CircuitOverrideSpec {
            policy: self.circuits.policy.name.clone(),
            object: self.circuits.object.clone(),
            state,
            until: Time::from_millis(until).ok_or(Unordered::Until)?,
            reason,
        };
        let order = self.circuits.named(spec);
        place.put(&order).await?;
        let document = serde_json::to_value(&order).unwrap_or(Value::Null);
        let written = json!({"override": document, "circuits": self.circuits.text()});
        if !self.output.document(&written, out)? {
            let CircuitOverrideSpec {
                state,
                until,
                reason,
                ..
            } = &order.spec;
            writeln!(
                out,
                "{}: {state:?} until {until}: {reason}",
                self.circuits.text()
            )
            .map_err(Unwritten::Write)?;
        }
        Ok(())
    }
}

impl Release {
    /// Ends what was ordered.
    ///
    /// # Errors
    ///
    /// When nothing was ordered, or it can't be removed.
    pub async fn print(&self, out: &mut impl Write) -> Result<(), Unordered> {
        let place = self.circuits.open().await?;
        let Circuits { policy, .. } = &self.circuits;
        let name = self.circuits.name();
        let removed = place.remove(&policy.namespace, &name).await?;
        let all = place.all(&policy.namespace).await?;
        let others = all.into_iter();
        let others = others.filter(|order| self.circuits.are_meant_by(&order.spec));
        let others = others.filter_map(|order| order.metadata.name);
        let others: Vec<_> = others.filter(|other| *other != name).collect();
        if !removed && others.is_empty() {
            return Err(Unordered::Nothing(self.circuits.text()));
        }
        if removed {
            writeln!(out, "{}: released", self.circuits.text()).map_err(Unwritten::Write)?;
        }
        for other in others {
            writeln!(
                out,
                "CircuitOverride {}/{other} concerns it too, and stays",
                policy.namespace
            )
            .map_err(Unwritten::Write)?;
        }
        Ok(())
    }
}

impl Circuits {
    async fn open(&self) -> Result<Place, Unordered> {
        Place::open(&self.source, &self.kube).await
    }

    /// The name of the one override that these commands write for these circuits.
    fn name(&self) -> String {
        let name = match &self.object {
            Some(object) => format!("command-{}-{object}", self.policy.name),
            None => format!("command-{}", self.policy.name),
        };
        if name.len() <= LONGEST_NAME {
            return name;
        }
        format!(
            "command-{:016x}",
            twox_hash::XxHash3_64::oneshot(name.as_bytes())
        )
    }

    fn named(&self, spec: CircuitOverrideSpec) -> CircuitOverride {
        let mut order = CircuitOverride::new(&self.name(), spec);
        order.metadata.namespace = Some(self.policy.namespace.clone());
        order
    }

    fn text(&self) -> String {
        match &self.object {
            Some(object) => format!("{} {object}", self.policy),
            None => format!("{}, all circuits", self.policy),
        }
    }

    /// Whether an override concerns any of these circuits.
    fn are_meant_by(&self, spec: &CircuitOverrideSpec) -> bool {
        let object = self.object.as_ref().zip(spec.object.as_ref());
        spec.policy == self.policy.name && object.is_none_or(|(one, other)| one == other)
    }
}

/// The longest name that Kubernetes takes.
const LONGEST_NAME: usize = 253;

#[cfg(test)]
mod tests;
