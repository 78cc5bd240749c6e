//! Scenarios: YAML and time in, decisions out. Everything that a real cluster shows is
//! shown here first, in microseconds.

mod crash;
mod gates;
mod lifecycle;
mod overrides;
mod pace;
mod races;
mod recovery;
mod replay;
mod restart;
mod room;
mod tape;
mod trip;
mod world;
