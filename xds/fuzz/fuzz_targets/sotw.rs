//! Random stories of the sotw core.

#![no_main]

use fusegate_xds_fuzz::{Step, sotw};

libfuzzer_sys::fuzz_target!(|steps: Vec<Step>| sotw::tell(&steps));
