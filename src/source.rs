//! A source: whatever feeds the engine, as one closed stream of [`Event`](crate::wire::event::Event)s.

mod contracts;
pub mod dir;
pub mod kube;
pub mod queue;
mod spec;
