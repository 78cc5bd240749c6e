//! The search, for any set of bad changes.

mod client;
mod judged_together;
mod streams;

use std::collections::BTreeSet;

use proptest::collection::{btree_set, vec};
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

use super::Bisection;

/// How many offers a search may take.
fn bound(count: usize, found: usize) -> usize {
    let halvings = count.next_power_of_two().trailing_zeros() as usize;
    (found + 1) * (halvings + 1) + 1
}

/// Runs a search to its end, and says how many offers it took.
fn run(search: &mut Bisection, takes: impl Fn(&[usize]) -> bool) -> usize {
    let mut offers = 0;
    while let Some(offer) = search.next() {
        offers += 1;
        search.answer(takes(offer.all()));
        assert!(offers < 10_000, "it does not end: {search:?}");
    }
    offers
}

#[test]
fn a_change_alone_is_the_culprit_without_an_offer() {
    let mut search = Bisection::new(1, &[], true);
    assert_eq!(search.next(), None);
    assert_eq!(search.culprits(), [0]);
}

#[test]
fn where_nothing_is_known_to_be_taken_the_base_is_offered_first() {
    let mut search = Bisection::new(1, &[], false);
    assert_eq!(search.next().map(|offer| offer.all().len()), Some(0));
    search.answer(true);
    assert_eq!(search.culprits(), [0]);
    let mut search = Bisection::new(1, &[], false);
    search.next();
    search.answer(false);
    assert!(search.is_over() && search.is_hopeless());
    assert!(search.culprits().is_empty());
}

#[test]
fn a_right_hint_finds_the_culprit_with_one_offer() {
    let mut search = Bisection::new(1_000, &[500], true);
    assert_eq!(run(&mut search, |changes| !changes.contains(&500)), 1);
    assert_eq!(search.culprits(), [500]);
}

#[test]
fn a_wrong_hint_costs_one_offer() {
    let mut search = Bisection::new(64, &[5], true);
    let offers = run(&mut search, |changes| !changes.contains(&40));
    assert_eq!(search.culprits(), [40]);
    assert!(offers <= bound(64, 1) + 1, "{offers}");
}

#[test]
fn of_a_pair_that_is_bad_together_one_is_found() {
    let mut search = Bisection::new(20, &[], true);
    run(&mut search, |changes| {
        !(changes.contains(&3) && changes.contains(&17))
    });
    assert_eq!(search.culprits(), [17]);
    assert_eq!(search.taken().len(), 19);
}

proptest! {
    #[test]
    fn whatever_is_bad_alone_is_found_and_all_else_is_taken(
        count in 1..200_usize,
        bad in btree_set(0..200_usize, 1..6),
        hints in vec(0..200_usize, 0..3),
    ) {
        let bad: BTreeSet<usize> = bad.into_iter().map(|one| one % count).collect();
        let hints: Vec<usize> = hints.into_iter().filter(|one| *one < count).collect();
        let mut search = Bisection::new(count, &hints, true);
        let offers = run(&mut search, |changes| changes.iter().all(|one| !bad.contains(one)));
        let found: BTreeSet<usize> = search.culprits().iter().copied().collect();
        prop_assert_eq!(&found, &bad);
        prop_assert_eq!(search.taken().len(), count - bad.len());
        prop_assert!(offers <= bound(count, bad.len()) + 1, "{} offers", offers);
    }

    #[test]
    fn pairs_and_triples_that_are_bad_together_are_broken_up(
        count in 2..100_usize,
        groups in vec(btree_set(0..100_usize, 1..4), 1..5),
        proven in proptest::bool::ANY,
    ) {
        let groups: Vec<BTreeSet<usize>> = groups
            .into_iter()
            .map(|group| group.into_iter().map(|one| one % count).collect())
            .collect();
        let takes = |changes: &[usize]| {
            groups.iter().all(|group| !group.iter().all(|one| changes.contains(one)))
        };
        let mut search = Bisection::new(count, &[], proven);
        let offers = run(&mut search, takes);
        prop_assert!(takes(&search.taken()));
        prop_assert!(!search.is_hopeless());
        prop_assert_eq!(search.taken().len() + search.culprits().len(), count);
        for culprit in search.culprits() {
            let mut with = search.taken();
            with.push(*culprit);
            prop_assert!(!takes(&with), "{} is good", culprit);
        }
        prop_assert!(offers <= bound(count, search.culprits().len()));
    }
}
