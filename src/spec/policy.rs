//! A policy, lowered against its contract: everything its circuits need.

use std::sync::Arc;

use fusegate_crds::{
    Action, CircuitPolicySpec, DurationText, IllegalUpdates, PolicyMode, RuntimeKey, Scalar,
    Selector, Severity, UnknownEvidence,
};

use crate::breaker::config::{Begin, Config, Flap, Probe, Wait};
use crate::breaker::time::Span;
use crate::condition::contract::Contract;
use crate::condition::kind::Kind;
use crate::policy::layer::{LayerName, RuntimeValue};
use crate::policy::plan::{ConditionsLayer, Plan, RuntimeSwitch, Shed};
use crate::policy::template::Template;
use crate::spec::problem::Problem;
use crate::spec::rule;

/// A policy as the engine runs it.
#[derive(Clone, Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each stands for one thing that a policy asks for, on its own"
)]
pub struct Policy {
    /// Rules and timings.
    pub config: Arc<Config>,
    /// For each rule, the index of its condition in the contract.
    pub conditions: Vec<usize>,
    /// For each rule, what stands behind its numbers when people read them; empty where nothing does.
    pub units: Vec<&'static str>,
    /// What to publish, and where.
    pub plan: Plan,
    /// Which objects have a circuit.
    pub selector: Selector,
    /// Everything computed and reported, nothing enforced.
    pub observe: bool,
    /// Freeze published values while not Closed.
    pub reject_updates: bool,
    /// Roll the CRD back on a trip.
    pub rollback_schema: bool,
    /// Page on a trip.
    pub alert: bool,
    /// `critical`, `warning` or `info`.
    pub severity: &'static str,
    /// Annotations for the alert.
    pub annotations: Vec<(Box<str>, Box<str>)>,
    /// Percent of this policy's circuits that may be open at once.
    pub max_open_percent: u8,
    /// A gate passes what it has no evidence of.
    pub passes_unknown: bool,
}

/// Lowers a policy of `namespace`. Its own rules have been checked where it was read
/// ([`fusegate_crds::Kind::problems`]); here it is held against its contract and its namespace.
pub fn lower(
    namespace: &str,
    spec: &CircuitPolicySpec,
    contract: &Contract,
    kind: &Arc<str>,
) -> Result<Policy, Vec<Problem>> {
    let mut problems = Vec::new();
    let config = config(spec, contract, &mut problems);
    let plan = plan(namespace, spec, kind, &mut problems);
    let (Some(config), Some(plan), true) = (config, plan, problems.is_empty()) else {
        return Err(problems);
    };
    let does = |action| spec.on_trip.contains(&action);
    let conditions: Vec<usize> = config
        .rules
        .iter()
        .filter_map(|rule| contract.index_of(&rule.condition))
        .collect();
    let declared = conditions
        .iter()
        .filter_map(|at| contract.conditions().get(*at));
    Ok(Policy {
        units: declared.map(|condition| unit(&condition.kind)).collect(),
        conditions,
        config: Arc::new(config),
        plan,
        selector: spec.selector.clone(),
        observe: spec.mode == PolicyMode::Observe,
        reject_updates: does(Action::RejectUpdates),
        rollback_schema: does(Action::RollbackSchema),
        alert: does(Action::Alert),
        severity: severity(spec.alert.severity),
        annotations: spec
            .alert
            .annotations
            .iter()
            .map(|(name, text)| (name.as_str().into(), text.as_str().into()))
            .collect(),
        max_open_percent: spec.max_open_percent,
        passes_unknown: spec.gate.unknown == UnknownEvidence::Pass,
    })
}

/// The core compares bare numbers; people want to know of what.
fn unit(kind: &Kind) -> &'static str {
    match kind {
        Kind::Duration(_) | Kind::Age => " ms",
        Kind::Percent(_) => " %",
        _ => "",
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

fn config(
    spec: &CircuitPolicySpec,
    contract: &Contract,
    problems: &mut Vec<Problem>,
) -> Option<Config> {
    let before = problems.len();
    let mut rules = Vec::with_capacity(spec.trip.when.len());
    for (index, rule) in spec.trip.when.iter().enumerate() {
        match rule::lower(index, rule, contract) {
            Ok(rule) => rules.push(rule),
            Err(problem) => problems.push(problem),
        }
    }
    let mut span = |field: &str, text: &DurationText| span(field, text, problems);
    let within = span("spec.trip.within", &spec.trip.within);
    let at_least = span("spec.trip.atLeast", &spec.trip.at_least);
    let resample = span("spec.trip.resample", &spec.trip.resample);
    let minimum = span("spec.open.minimum", &spec.open.minimum);
    let maximum = span("spec.open.maximum", &spec.open.maximum);
    let settle = span("spec.halfOpen.settle", &spec.half_open.settle);
    let timeout = span("spec.halfOpen.timeout", &spec.half_open.timeout);
    let flap_within = span("spec.flap.within", &spec.flap.within);
    let config = Config {
        rules,
        consecutive: spec.trip.consecutive,
        within,
        at_least,
        resample: (resample.0 > 0).then_some(resample),
        illegal_is_bad: spec.trip.illegal == IllegalUpdates::Bad,
        open: Wait { minimum, maximum },
        half_open: Probe {
            admit_percent: spec.half_open.admit_percent.clone(),
            begin: match spec.half_open.begin {
                fusegate_crds::Begin::Timer => Begin::Timer,
                fusegate_crds::Begin::Evidence => Begin::Evidence,
            },
            settle,
            successes: spec.half_open.successes,
            timeout,
        },
        flap: Flap {
            trips: spec.flap.trips,
            within: flap_within,
        },
    };
    (problems.len() == before).then_some(config)
}

fn span(field: &str, text: &DurationText, problems: &mut Vec<Problem>) -> Span {
    match text.millis() {
        Ok(millis) => Span(millis),
        Err(invalid) => {
            problems.push(Problem::new(field, invalid.to_string()));
            Span::default()
        }
    }
}

fn plan(
    namespace: &str,
    spec: &CircuitPolicySpec,
    kind: &Arc<str>,
    problems: &mut Vec<Problem>,
) -> Option<Plan> {
    let before = problems.len();
    let layer = layer(namespace, spec, problems)?;
    let mut shed = Vec::new();
    for (index, item) in spec.mesh.shed.iter().enumerate() {
        let field = format!("spec.mesh.shed[{index}]");
        if let Some(cluster) = template(&format!("{field}.cluster"), &item.cluster, problems) {
            shed.push(Shed {
                cluster,
                percent: item.percent,
            });
        }
    }
    let mut runtime = Vec::new();
    for (index, item) in spec.mesh.runtime.iter().enumerate() {
        runtime.extend(switch(
            &format!("spec.mesh.runtime[{index}]"),
            item,
            problems,
        ));
    }
    let publish_conditions = match (spec.mesh.publish_conditions, layer.conditions()) {
        (false, _) => None,
        (true, layer) => Some(ConditionsLayer {
            layer,
            kind: kind.clone(),
        }),
    };
    (problems.len() == before).then_some(Plan {
        layer,
        shed,
        runtime,
        publish_conditions,
    })
}

fn layer(
    namespace: &str,
    spec: &CircuitPolicySpec,
    problems: &mut Vec<Problem>,
) -> Option<LayerName> {
    let name = spec.mesh.layer.as_deref().unwrap_or(namespace);
    let field = "spec.mesh.layer";
    match LayerName::try_new(name) {
        Err(invalid) => problems.push(Problem::new(field, invalid.to_string())),
        Ok(layer) if !layer.permitted(namespace) => problems.push(Problem::new(
            field,
            format!("\"{name}\" is not this namespace's; use \"{namespace}\" or \"{namespace}.<suffix>\""),
        )),
        Ok(layer) => return Some(layer),
    }
    None
}

fn switch(field: &str, item: &RuntimeKey, problems: &mut Vec<Problem>) -> Option<RuntimeSwitch> {
    Some(RuntimeSwitch {
        key: template(&format!("{field}.key"), &item.key, problems)?,
        closed: runtime_value(&item.closed),
        open: runtime_value(&item.open),
    })
}

fn template(field: &str, text: &str, problems: &mut Vec<Problem>) -> Option<Template> {
    Template::try_new(text)
        .map_err(|invalid| problems.push(Problem::new(field, invalid.to_string())))
        .ok()
}

/// Envoy reads numbers, booleans and text; quoted numbers and booleans mean what they say.
fn runtime_value(scalar: &Scalar) -> RuntimeValue {
    let text = scalar.text();
    match (text.parse::<f64>(), &*text) {
        (Ok(number), _) if number.is_finite() => RuntimeValue::Number(number),
        (_, "true") => RuntimeValue::Bool(true),
        (_, "false") => RuntimeValue::Bool(false),
        (_, text) => RuntimeValue::Text(text.into()),
    }
}
