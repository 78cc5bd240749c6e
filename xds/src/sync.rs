//! Sync: everything that the store shares between threads with, so that a model checker can put its own in its place.

pub(crate) use std::sync::atomic::{Ordering, fence};

pub(crate) use arc_swap::ArcSwap;
pub(crate) use futures::task::AtomicWaker;
