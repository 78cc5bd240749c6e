//! A plan: what one policy publishes for each of its circuits.

use std::sync::Arc;

use crate::policy::layer::{LayerName, RuntimeValue};
use crate::policy::template::Template;

/// What a policy publishes.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Where.
    pub layer: LayerName,
    /// Clusters to shed while not Closed.
    pub shed: Vec<Shed>,
    /// Runtime keys that follow the state.
    pub runtime: Vec<RuntimeSwitch>,
    /// Where legal values go, if they are published.
    pub publish_conditions: Option<ConditionsLayer>,
}

/// One cluster to shed.
#[derive(Clone, Debug, PartialEq)]
pub struct Shed {
    /// Its name.
    pub cluster: Template,
    /// Percent of its traffic shed in Open.
    pub percent: u8,
}

/// One runtime key with a value per state.
#[derive(Clone, Debug, PartialEq)]
pub struct RuntimeSwitch {
    /// Its name.
    pub key: Template,
    /// The value in Closed.
    pub closed: RuntimeValue,
    /// The value while the circuit is not Closed.
    pub open: RuntimeValue,
}

/// Where published conditions go.
#[derive(Clone, Debug, PartialEq)]
pub struct ConditionsLayer {
    /// `<layer>.conditions`.
    pub layer: LayerName,
    /// The kind, part of each key.
    pub kind: Arc<str>,
}
