//! Raw JSON read without trusting it.
