//! Inputs: one file per kind of event: what it changes in the state, and which circuits it steps.

mod admission;
mod answer;
mod contract;
mod crd;
mod denied;
mod feed;
mod leader;
mod misasked;
mod object;
mod outcome;
mod overrides;
mod policy;
mod skew;
mod webhook;
