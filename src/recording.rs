//! A recording: all input of one run of the engine, turn by turn, with digests of its output.
//!
//! It is a file of JSON lines, each a [`line::Line`]. The engine is a function of its events and their times, so a
//! recording from the start of a process replays to the same audit lines and the same snapshot bytes. One that
//! lacks a turn can't be replayed beyond it.

pub mod digest;
pub mod line;

pub mod reader;
pub mod recorder;
pub mod rotate;
pub mod rules;
pub mod tally;
