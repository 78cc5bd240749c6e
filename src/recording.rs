//! A recording: everything that one run of the engine was told, turn by turn, with digests of what it made of it.
//!
//! It is a file of JSON lines, of which each is a [`line::Line`]. Because the engine is a function of its events
//! and their times, a recording from the start of a process replays to the same audit lines and the same snapshot
//! bytes, and one that lacks a turn replays to nothing beyond it.

pub mod digest;
pub mod line;

pub mod aside;
pub mod reader;
pub mod recorder;
pub mod tally;
