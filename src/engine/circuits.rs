//! Circuits: which there are, when they are stepped, and what a step does.

mod capacity;
mod follow;
mod freeze;
mod lifecycle;
mod overrides;
mod schedule;
mod selection;
mod step;
mod timers;
