//! The fusegate.io API types.
