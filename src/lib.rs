//! fusegate: conditions in, circuits out.
//!
//! The modules stand in the order in which data flows; `docs/architecture.md` is the map.

pub mod wire;

pub mod source;

pub mod condition;

pub mod admission;

pub mod breaker;

pub mod policy;

pub mod translate;

pub mod doctor;
pub mod lint;
pub mod revision;
pub mod spec;

pub mod engine;

pub mod effects;

pub mod serve;

pub mod runtime;

pub mod recording;

pub mod app;
pub mod cli;
