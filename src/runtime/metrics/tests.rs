//! What is counted is told.

use super::*;

#[test]
fn what_is_counted_is_in_the_text_with_its_labels() {
    let metrics = Metrics::new();
    metrics.clone().publishes.inc();
    metrics.effect(EffectKind::Rollback, EffectResult::Done);
    metrics.queue_depth(EffectKind::Status, 3);
    metrics.bound_met(Bound::Alerts);
    let text = metrics.encode();
    for line in [
        "fusegate_publishes_total 1",
        "fusegate_effects_total{kind=\"Rollback\",result=\"Done\"} 1",
        "fusegate_effect_queue_depth{kind=\"Status\"} 3",
        "fusegate_bounds_met_total{bound=\"alerts\"} 1",
        "fusegate_audit_lines_dropped_total 0",
    ] {
        assert!(text.lines().any(|each| each == line), "{line} in\n{text}");
    }
    assert!(text.contains("fusegate_build_info{version="), "{text}");
    assert!(text.ends_with("# EOF\n"));
}
