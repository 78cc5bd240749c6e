//! fusegate: conditions in, circuits out.

pub mod breaker;
pub mod condition;
pub mod effects;
pub mod revision;
pub mod runtime;
pub mod serve;
pub mod source;
