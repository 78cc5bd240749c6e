//! fusegate: conditions in, circuits out.

pub mod breaker;
pub mod condition;
pub mod effects;
pub mod revision;
pub mod condition;
pub mod engine;
pub mod policy;
pub mod revision;
pub mod runtime;
pub mod serve;
pub mod source;
pub mod spec;
pub mod translate;
