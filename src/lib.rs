//! fusegate.
