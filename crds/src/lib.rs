//! The `fusegate.io/v1alpha1` API: what people write, what fusegate answers, and the schemas that hold both.
//!
//! One kind per person: [`ConditionContract`] is the platform team's, [`CircuitPolicy`] the service team's, [`CircuitOverride`] the SRE's.
//! The schemas are as strict as OpenAPI and CEL allow, so a mistake is named when it is written, not when the circuit should have tripped.
//! A directory runs neither, so every rule exists a second time in Rust: see [`strict`] and [`Kind::problems`].
//!
//! This crate knows no client, no runtime and no Envoy.

mod bounds;
mod circuit_override;
mod circuit_policy;
mod condition_contract;
mod conditions;
mod duration;
mod generate;
mod kind;
mod problem;
mod rule;
mod scalar;
mod schema;
mod time;

pub use crate::{
    circuit_override::{
        CircuitOverride, CircuitOverrideSpec, CircuitOverrideStatus, OverrideState,
    },
    circuit_policy::{
        Action, CircuitPolicy, CircuitPolicySpec, PolicyMode,
        alert::{Alert, Severity},
        circuit::{CauseRecord, CircuitRecord, CircuitState, RuleRecord},
        depends_on::Dependency,
        gate::{Gate, UnknownEvidence},
        mesh::{PolicyMesh, RuntimeKey, Shed},
        open_on::OpenOn,
        selector::{Expression, Operator, Selector},
        status::CircuitPolicyStatus,
        timing::{Begin, Flap, HalfOpen, Open},
        trip::{IllegalUpdates, Missing, Trip, TripRule},
    },
    condition_contract::{
        ConditionContract, ConditionContractSpec, Target,
        admission::{Admission, AdmissionBy, AdmissionMode},
        condition::{ConditionRule, ConditionType, ValueSource},
        incident::{IncidentRecord, IncidentState, RevisionRecord},
        limits::{Limits, UnknownKeys},
        mesh::ContractMesh,
        prometheus::{ObjectLabels, PrometheusQuery},
        rollback::{History, Rollback, RollbackMode, RollbackOwner},
        status::{ConditionContractStatus, QueryRecord},
    },
    conditions::Condition,
    duration::{DurationText, InvalidDuration},
    generate::{Render, all, file_name, yaml},
    kind::{Kind, strict},
    problem::Problem,
    scalar::Scalar,
    schema::{InvalidSchema, Schema},
    time::Time,
};
