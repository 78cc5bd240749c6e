//! The harness: real servers on free ports, and waiting for what they do.
//!
//! The one integration binary uses it, and so do the demo and the benchmarks, which include it by path;
//! so it knows nothing of fusegate's own modules, and every part of it returns errors instead of panicking.
//! They include it within an inline module, or its own modules would be looked for in the wrong folder:
//!
//! ```text
//! #[path = "../tests"]
//! mod harness {
//!     pub(crate) mod support;
//! }
//! ```

// Each of the programs that include the harness uses another part of it.
#![allow(dead_code)]
// Indexing a JSON value never panics: what is absent reads as null, and is made when written.
#![allow(clippy::indexing_slicing)]

pub(crate) mod cgroup;
pub(crate) mod fusegate;
pub(crate) mod http;
pub(crate) mod recordings;
pub(crate) mod scratch;
pub(crate) mod servers;
pub(crate) mod wait;
