//! Tests of the breaker core, one file per part of DESIGN's "Behaviour".

mod world;

mod trip;
