//! The store's own source, compiled with loom's threads, atomics and wakers in the place of the real ones.
//!
//! What a test of this crate runs is run again for every order in which its threads can take their steps,
//! and for every value that the memory model lets them see. Nothing of it is in a product.

// The modules' own tests are tests of the real ones.
#![cfg(not(test))]

mod sync;

pub mod client;

/// The modules of `fusegate-xds` that the store is made of.
#[allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    unused_imports,
    reason = "the rest of that crate uses what is not used here"
)]
#[path = "../../src"]
mod xds {
    pub(crate) mod canonical;
    pub mod name;
    pub mod resource;
    pub mod snapshot;
    pub mod store;
    pub mod type_url;
    pub mod version;
    pub(crate) mod wire;
}

pub use xds::{resource, snapshot, store, type_url};

use xds::{canonical, name, version, wire};
