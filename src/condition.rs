//! The condition model: the raw JSON of an object's `status` in, typed conditions and named problems out.
//!
//! A [`contract::Contract`] is compiled once from a `ConditionContract`; [`extract::extract`] then reads one status against it and returns a [`report::Report`].
//! Publication is all or nothing (a report is legal or it is not), sampling is per key (the legal keys of an illegal report are still judged).
//!
//! Nothing here reads a clock, waits, or keeps state between calls.
//! Input is never trusted: time is linear in its length, memory is bounded by the contract and the constants of [`problem`] and [`report`], and nothing recurses deeper than `serde_json`'s own limit of 128.

pub mod change;
pub mod compact;
pub mod contract;
pub mod diff;
pub mod extract;
pub mod kind;
pub mod measure;
pub mod outside;
pub mod problem;
pub mod report;
pub mod unmeasured;
pub mod value;

mod compile;
mod cursor;
mod declaration;
mod entry;
mod expression;
mod fields;
mod json;
mod judgment;
mod name;
mod number;
mod place;
mod time;
