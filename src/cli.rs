//! The command line: what can be asked, with help on each option.

pub mod check;
pub mod completions;
pub mod contracts;
pub mod crds;
mod definition;
pub mod diff;
pub mod doctor;
pub mod explain;
pub mod format;
pub mod gate;
mod grid;
pub mod kube;
pub mod lint;
pub mod named;
pub mod on_call;
pub mod order;
pub mod proxies;
pub mod replay;
pub mod revisions;
pub mod rollback;
pub mod run;
pub mod server;
pub mod shards;
pub mod simulate;
pub mod status;
mod store;
pub mod style;
mod version;

use clap::{Parser, Subcommand};

/// A circuit-breaking policy controller with mesh integration.
///
/// fusegate watches the conditions that operators report, trips the circuit in every
/// Envoy when a threshold is broken several times in a row, holds the gray release,
/// rolls the CRD back, and pages.
#[derive(Debug, Parser)]
#[command(name = "fusegate", version = version::VERSION, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the controller, in a cluster or on a directory.
    Run(Box<run::Run>),
    /// What an engineer on call asks and orders.
    #[command(flatten)]
    OnCall(on_call::OnCall),
    /// List the Envoys that are connected to a replica, and what each of them has.
    Proxies(proxies::Proxies),
    /// Find what is wrong with an installation, and say what to do about it.
    Doctor(doctor::Doctor),
    /// Say which shard judges a namespace, where `run --shard` divides them.
    Shards(shards::Shards),
    /// Print the CRDs, for `kubectl apply -f -`.
    Crds(crds::Crds),
    /// List the contracts for well-known kinds that come with fusegate, or print some of them.
    Contracts(contracts::Contracts),
    /// Validate contracts, policies and objects offline, and print every problem.
    Check(check::Check),
    /// Compare two schemas of a CRD: what changes, and what that may harm.
    Diff(Box<diff::Diff>),
    /// Lint the schemas of CRDs, offline or in a cluster, and mend them.
    Lint(Box<lint::Lint>),
    /// List the schemas that a CRD has had, or print one of them.
    Revisions(revisions::Revisions),
    /// Give a CRD a schema that it had, after every check that goes before a rollback.
    Rollback(Box<rollback::Rollback>),
    /// Replay a recording: what fusegate decided, and by which events.
    Replay(replay::Replay),
    /// Simulate a policy on what was observed: when it would have tripped and recovered.
    Simulate(Box<simulate::Simulate>),
    /// Print what a shell needs to complete commands and options.
    Completions(completions::Completions),
    /// Print the man page, or write one for each command.
    Man(completions::Man),
}

#[cfg(test)]
mod tests;
