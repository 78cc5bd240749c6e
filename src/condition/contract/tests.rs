//! What a contract declares and what it refuses to be compiled from.
