//! The life of an alert in the table, on a hand-driven clock.

use super::*;

const SECOND: u64 = 1_000;

#[test]
fn a_firing_alert_is_sent_at_once_and_every_thirty_seconds() {
    let mut table = AlertTable::default();
    assert_sent(&table.upsert(alert("a", None), at(0)));
    assert_eq!(table.next(), Some(at(30)));
    assert_eq!(table.due(at(29)), []);
    for round in 1..100 {
        assert_eq!(table.due(at(30 * round)).len(), 1);
    }
    assert_eq!(table.counts(), (1, 0));
}

#[test]
fn a_change_is_sent_at_once_and_no_change_is_not() {
    let mut table = AlertTable::default();
    table.upsert(alert("a", None), at(0));
    assert_eq!(table.upsert(alert("a", None), at(1)), Upserted::Unchanged);
    let mut changed = alert("a", None);
    changed.annotations.insert("value".into(), "3".into());
    assert_sent(&table.upsert(changed, at(2)));
    assert_eq!(table.counts(), (1, 0));
}

#[test]
fn a_resolved_alert_is_sent_for_five_minutes_and_forgotten() {
    let mut table = AlertTable::default();
    table.upsert(alert("a", None), at(0));
    assert_sent(&table.upsert(alert("a", Some(60)), at(60)));
    assert_eq!(table.counts(), (0, 1));
    let mut sent = 0;
    for second in 60..1_000 {
        for each in table.due(at(second)) {
            assert_eq!(each.ends_at, Some(60));
            sent += 1;
        }
    }
    assert_eq!(sent, 9);
    assert_eq!((table.counts(), table.next()), ((0, 0), None));
}

#[test]
fn the_start_stays_for_life_and_an_alert_that_fires_again_has_a_new_one() {
    let mut table = AlertTable::default();
    table.upsert(started("a", 10, None), at(0));
    let again = table.upsert(started("a", 20, None), at(1));
    assert_eq!(again, Upserted::Unchanged);
    assert_eq!(
        sent(table.upsert(started("a", 20, Some(25)), at(2))).starts_at,
        10
    );
    assert_eq!(
        sent(table.upsert(started("a", 30, None), at(3))).starts_at,
        30
    );
    assert_eq!(table.counts(), (1, 0));
}

#[test]
fn an_end_is_never_before_its_start() {
    let mut table = AlertTable::default();
    table.upsert(started("a", 10, None), at(0));
    assert_eq!(
        sent(table.upsert(started("a", 10, Some(3)), at(1))).ends_at,
        Some(10)
    );
    assert_eq!(
        sent(table.upsert(started("b", 10, Some(3)), at(1))).ends_at,
        Some(10)
    );
}

#[test]
fn a_full_book_refuses_the_new_and_takes_changes() {
    let mut table = AlertTable::default();
    for number in 0..BOUND {
        assert_sent(&table.upsert(alert(&number.to_string(), None), at(0)));
    }
    assert_eq!(table.upsert(alert("new", None), at(1)), Upserted::Refused);
    assert_sent(&table.upsert(alert("7", Some(2)), at(2)));
    assert_eq!(table.counts(), (BOUND - 1, 1));
    table.due(at(2 + 301));
    assert_sent(&table.upsert(alert("new", None), at(400)));
}

#[test]
fn many_alerts_are_due_together() {
    let mut table = AlertTable::default();
    for number in 0..100 {
        table.upsert(alert(&number.to_string(), None), Mono(number * 9));
    }
    assert_eq!(table.due(at(30)).len(), 100);
    assert_eq!(table.next(), Some(at(60)));
}

#[test]
fn what_was_cleared_is_gone() {
    let mut table = AlertTable::default();
    table.upsert(alert("a", None), at(0));
    table.clear();
    assert_eq!(table.due(at(60)), []);
    assert_sent(&table.upsert(alert("a", None), at(61)));
}

fn at(second: u64) -> Mono {
    Mono(second * SECOND)
}

fn alert(name: &str, ends_at: Option<i64>) -> Alert {
    started(name, 0, ends_at)
}

fn started(name: &str, starts_at: i64, ends_at: Option<i64>) -> Alert {
    Alert {
        labels: BTreeMap::from([("name".into(), name.into())]),
        annotations: BTreeMap::new(),
        starts_at,
        ends_at,
    }
}

fn sent(entered: Upserted) -> Arc<Alert> {
    match entered {
        Upserted::Send(alert) => alert,
        other => panic!("{other:?}"),
    }
}

fn assert_sent(entered: &Upserted) {
    assert!(matches!(entered, Upserted::Send(_)), "{entered:?}");
}
