//! Scenarios: YAML and time in, decisions out. Everything that a real cluster shows is
//! shown here first, in microseconds.

mod lifecycle;
mod races;
mod recovery;
mod restart;
mod trip;
mod world;
