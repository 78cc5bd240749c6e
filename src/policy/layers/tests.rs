//! What many contributions come to in one layer.

use proptest::prelude::*;

use super::*;

fn layer(name: &str) -> LayerName {
    LayerName::try_new(name).unwrap()
}

fn owner(name: &str) -> Owner {
    Owner(name.into())
}

fn shed(layer_name: &str, cluster: &str, percent: u8) -> DesiredKey {
    DesiredKey {
        layer: layer(layer_name),
        key: format!("upstream.maintenance_mode.{cluster}").into(),
        value: RuntimeValue::Number(f64::from(percent)),
        rank: Rank::Shed(percent),
    }
}

fn contribution(keys: Vec<DesiredKey>) -> Contribution {
    Contribution { keys }
}

#[test]
fn the_most_severe_of_several_circuits_on_one_cluster_wins_in_any_order() {
    for order in [["a", "b"], ["b", "a"]] {
        let mut layers = Layers::default();
        for name in order {
            let percent = if name == "a" { 40 } else { 100 };
            layers.set(
                &owner(name),
                contribution(vec![shed("shop", "web", percent)]),
            );
        }
        let rendered = layers.render(&layer("shop"));
        assert_eq!(
            rendered.keys.get("upstream.maintenance_mode.web"),
            Some(&RuntimeValue::Number(100.0))
        );
        assert_eq!(rendered.warnings, []);
    }
}

#[test]
fn the_less_severe_stays_when_the_more_severe_leaves() {
    let mut layers = Layers::default();
    layers.set(&owner("a"), contribution(vec![shed("shop", "web", 40)]));
    layers.set(&owner("b"), contribution(vec![shed("shop", "web", 100)]));
    let touched = layers.remove(&owner("b"));
    assert_eq!(touched, BTreeSet::from([layer("shop")]));
    assert_eq!(
        layers
            .render(&layer("shop"))
            .keys
            .get("upstream.maintenance_mode.web"),
        Some(&RuntimeValue::Number(40.0))
    );
    layers.remove(&owner("a"));
    assert!(layers.render(&layer("shop")).keys.is_empty());
    assert_eq!(layers.names().count(), 0);
}

#[test]
fn one_cluster_in_two_layers_is_a_warning_on_both() {
    let mut layers = Layers::default();
    layers.set(&owner("a"), contribution(vec![shed("shop", "web", 40)]));
    layers.set(&owner("b"), contribution(vec![shed("shop.eu", "web", 100)]));
    for (name, other) in [("shop", "shop.eu"), ("shop.eu", "shop")] {
        let warnings = layers.render(&layer(name)).warnings;
        assert!(
            matches!(warnings.as_slice(), [(_, Warning::TwoLayers { other: seen, .. })] if seen.as_str() == other),
            "{warnings:?}"
        );
    }
}

#[test]
fn a_full_layer_keeps_what_sheds_and_says_what_it_left_out() {
    let mut layers = Layers::default();
    let many = (0..MAX_LAYER_KEYS + 5).map(|index| DesiredKey {
        layer: layer("shop"),
        key: format!("a.{index:06}").into(),
        value: RuntimeValue::Number(1.0),
        rank: Rank::Condition,
    });
    layers.set(&owner("many"), contribution(many.collect()));
    layers.set(
        &owner("shedder"),
        contribution(vec![shed("shop", "web", 100)]),
    );
    let rendered = layers.render(&layer("shop"));
    assert_eq!(rendered.keys.len(), MAX_LAYER_KEYS);
    assert!(rendered.keys.contains_key("upstream.maintenance_mode.web"));
    assert_eq!(
        rendered.warnings,
        [(owner("many"), Warning::Full { omitted: 6 })]
    );
}

#[test]
fn setting_the_same_again_touches_nothing() {
    let mut layers = Layers::default();
    layers.set(&owner("a"), contribution(vec![shed("shop", "web", 40)]));
    assert!(
        layers
            .set(&owner("a"), contribution(vec![shed("shop", "web", 40)]))
            .is_empty()
    );
}

proptest! {
    #[test]
    fn what_is_rendered_does_not_depend_on_the_order_of_arrival(
        mut sets in prop::collection::vec((0_u8..6, 0_u8..3, 0_u8..3, 1_u8..=100), 1..20),
        seed in any::<u64>(),
    ) {
        let last: BTreeMap<u8, (u8, u8, u8)> = sets.iter().map(|(who, a, b, c)| (*who, (*a, *b, *c))).collect();
        let mut one = Layers::default();
        for (who, which, cluster, percent) in sets.drain(..) {
            let name = ["shop", "shop.eu", "bank"][usize::from(which)];
            one.set(&owner(&who.to_string()), contribution(vec![shed(name, &cluster.to_string(), percent)]));
        }
        let mut other = Layers::default();
        let mut order: Vec<_> = last.into_iter().collect();
        let turns = usize::try_from(seed % 7).unwrap() % order.len();
        order.rotate_left(turns);
        for (who, (which, cluster, percent)) in order {
            let name = ["shop", "shop.eu", "bank"][usize::from(which)];
            other.set(&owner(&who.to_string()), contribution(vec![shed(name, &cluster.to_string(), percent)]));
        }
        for name in ["shop", "shop.eu", "bank"] {
            prop_assert_eq!(one.render(&layer(name)), other.render(&layer(name)));
        }
    }
}
