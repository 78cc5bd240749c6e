//! Scenarios: YAML and time in, decisions out. Everything that a real cluster shows is
//! shown here first, in microseconds.

mod admission;
mod ahead;
mod answers;
mod capacity;
mod contested;
mod crash;
mod dependencies;
mod gates;
mod kinds;
mod lifecycle;
mod memory;
mod overrides;
mod pace;
mod races;
mod recovery;
mod replay;
mod replicas;
mod restart;
mod shards;
mod simulation;
mod status;
mod tape;
mod traced;
mod trip;
mod webhook;
mod world;
