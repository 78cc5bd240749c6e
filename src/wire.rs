//! The wire: the types that join the rooms. Events go into the engine; effects and the view come out of it.
//!
//! Sources, effects and serve know these types and not the engine; the engine knows these types and none of them.

pub mod event;

pub mod audit;
pub mod effect;
pub(crate) mod json_size;
pub mod labels;
pub mod query;
pub mod view;
