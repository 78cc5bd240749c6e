//! Random stories of the delta core.

#![no_main]

use fusegate_xds_fuzz::{Step, delta};

libfuzzer_sys::fuzz_target!(|steps: Vec<Step>| delta::tell(&steps));
