//! Evident legality: it is sure, and it holds for what controllers usually write.

use super::*;

#[rstest]
#[case::a_map_of_every_type(json!({"network-latency": "100ms", "error-rate": 0.25, "load": "-1e3", "replicas": 42, "memory": "512Mi",
    "saturation": "12.5%", "Ready": true, "note": "shop:v1", "tier": "gold", "renewed": "2026-11-22T14:05:28Z", "leader": [[1]]}), true)]
#[case::a_list(json!([{"type": "Ready", "status": "True", "reason": "Up"}, {"type": "Stranger", "status": 7}]), true)]
#[case::nothing(json!({}), true)]
#[case::one_out_of_bounds(json!({"error-rate": 1.5, "load": 1}), false)]
#[case::a_stranger(json!({"load": 1, "stranger": 1}), false)]
#[case::one_that_takes_a_second_look(json!({"load": {"value": 1}}), false)]
#[case::one_of_too_many_bytes(json!({"note": "\u{1f600}".repeat(16)}), false)]
fn most_of_what_is_legal_is_so_at_first_sight(#[case] conditions: Value, #[case] evident: bool) {
    let evaluator = Evaluator::new(&contract(json!({})), &[]);
    let status = json!({"conditions": conditions});
    assert_eq!(evaluator.is_evident(&status), evident);
}
