//! A source: whatever feeds the engine, as one closed stream of [`event::Event`]s.

mod contracts;
pub mod dir;
pub mod event;
pub mod kube;
pub mod queue;
mod spec;
