//! An xDS server library.
