//! fusegate: conditions in, circuits out.

pub mod breaker;
