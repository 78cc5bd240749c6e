//! A source: whatever feeds the engine, as one closed stream of [`event::Event`]s.

pub mod event;
