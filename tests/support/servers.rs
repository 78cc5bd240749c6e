//! The real servers: each a struct that starts one, waits until it answers, and ends it when dropped.

pub(crate) mod alertmanager;
pub(crate) mod apiserver;
pub(crate) mod apply;
pub(crate) mod assets;
pub(crate) mod authority;
pub(crate) mod browser;
pub(crate) mod cluster;
pub(crate) mod collector;
pub(crate) mod envoy;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod prometheus;
pub(crate) mod upstream;
