//! Tests of the breaker core, one file per part of DESIGN's "Behaviour".

mod world;

mod judge;
mod samples;
mod trip;

mod absence;
mod age;
mod half_open;
mod open;

mod lifecycle;
mod replicas;
mod restart;

mod properties;
mod recovery;
mod story;
