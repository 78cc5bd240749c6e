//! The fusegate binary.

fn main() {}
