//! A source: feeds the engine with one closed set of [`Event`](crate::wire::event::Event)s.

mod contracts;
pub mod dir;
pub mod kube;
pub mod prometheus;
pub mod queue;
mod spec;
