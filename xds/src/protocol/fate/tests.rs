//! Who may send, step by step.

use std::time::Duration;

use super::{Fate, Floor, Stance, Word};

const PATIENCE: Duration = Duration::from_mins(1);

const START: Duration = Duration::ZERO;

const CALM: Stance = Stance {
    awaits: false,
    restoring: false,
    unsettled: false,
    due: false,
};

const DUE: Stance = Stance { due: true, ..CALM };

const AWAITS: Stance = Stance {
    awaits: true,
    ..CALM
};

/// It was refused something.
const REFUSED: Stance = Stance {
    restoring: true,
    unsettled: true,
    due: true,
    ..CALM
};

/// What it gave back was refused, too.
const HELPLESS: Stance = Stance {
    restoring: false,
    ..REFUSED
};

/// It has an offer to make.
const SEARCHING: Stance = HELPLESS;

/// The fate of streams numbered from 1, which said this of themselves once the first was refused something.
fn fate(stances: &[Stance]) -> Fate {
    let mut fate = Fate::new(PATIENCE);
    let streams = || (1..).zip(stances);
    streams().for_each(|(stream, _)| fate.join(stream, START));
    fate.refused(1, START);
    streams().for_each(|(stream, stance)| fate.report(stream, *stance, START));
    fate.take_woken();
    fate
}

/// The stream sends something, and gets its answer.
fn converse(fate: &mut Fate, stream: u64, taken: bool, then: Stance) {
    assert_eq!(fate.floor(stream), Floor::Ours);
    fate.report(stream, AWAITS, START);
    assert_eq!(fate.floor(stream), Floor::Ours, "until it is answered");
    if taken {
        fate.taken(stream, START);
    } else {
        fate.refused(stream, START);
    }
    fate.report(stream, then, START);
}

fn floors(fate: &Fate) -> Vec<Floor> {
    let streams = fate.members.keys();
    streams.map(|stream| fate.floor(*stream)).collect()
}

#[test]
fn where_nothing_is_refused_everyone_sends() {
    let mut fate = Fate::new(PATIENCE);
    for stream in 1..=3 {
        fate.join(stream, START);
    }
    assert_eq!(floors(&fate), [Floor::Open; 3]);
    assert!(!fate.is_in_question());
    assert!(fate.take_woken().is_empty());
}

#[test]
fn one_alone_sends_when_it_likes() {
    let fate = fate(&[REFUSED]);
    assert_eq!(floors(&fate), [Floor::Open]);
    assert!(fate.is_in_question());
}

#[test]
fn after_a_refusal_nobody_sends_before_all_have_said_how_they_are_and_are_answered() {
    let mut fate = Fate::new(PATIENCE);
    (1..=3).for_each(|stream| fate.join(stream, START));
    fate.refused(2, START);
    assert_eq!(fate.take_woken(), [1, 3]);
    fate.report(2, REFUSED, START);
    fate.report(3, DUE, START);
    assert_eq!(floors(&fate), [Floor::Taken; 3]);
    fate.report(1, AWAITS, START);
    assert_eq!(floors(&fate), [Floor::Taken; 3]);
    fate.report(1, DUE, START);
    assert_eq!(floors(&fate), [Floor::Taken, Floor::Ours, Floor::Taken]);
    assert_eq!(fate.take_woken(), [2]);
}

#[test]
fn what_was_refused_is_given_back_before_anything_else_goes() {
    let mut fate = fate(&[REFUSED, DUE, REFUSED]);
    converse(&mut fate, 1, false, HELPLESS);
    assert_eq!(floors(&fate), [Floor::Taken, Floor::Taken, Floor::Ours]);
    converse(&mut fate, 3, true, SEARCHING);
    assert_eq!(fate.hear(1), Some(Word::Mended));
    assert_eq!([fate.hear(2), fate.hear(3)], [None; 2]);
    fate.report(1, SEARCHING, START);
    assert_eq!(fate.floor(1), Floor::Ours);
}

#[test]
fn one_after_the_other_sends_what_is_due() {
    let mut fate = fate(&[REFUSED, DUE, DUE]);
    converse(&mut fate, 1, true, SEARCHING);
    converse(&mut fate, 2, true, DUE);
    converse(&mut fate, 3, true, DUE);
    converse(&mut fate, 1, true, CALM);
    assert_eq!(floors(&fate)[1], Floor::Ours);
    fate.pass(2, DUE, START);
    fate.pass(3, DUE, START);
    assert_eq!(floors(&fate), [Floor::Open; 3], "nothing is in question");
}

#[test]
fn who_has_nothing_to_send_is_not_asked_again_and_again() {
    let mut fate = fate(&[REFUSED, DUE]);
    converse(&mut fate, 1, true, SEARCHING);
    fate.pass(2, DUE, START);
    fate.pass(1, SEARCHING, START);
    assert_eq!(floors(&fate), [Floor::Taken; 2]);
    fate.take_woken();
    fate.report(2, DUE, START);
    assert_eq!(fate.floor(2), Floor::Ours);
}

#[test]
fn when_nothing_is_left_to_be_given_back_it_is_lost_until_something_is_taken() {
    let mut fate = fate(&[REFUSED, DUE]);
    converse(&mut fate, 1, false, HELPLESS);
    assert_eq!(fate.hear(1), Some(Word::Lost));
    assert_eq!(fate.hear(2), None);
    let refusing = Stance {
        unsettled: true,
        ..CALM
    };
    fate.report(1, refusing, START);
    converse(&mut fate, 2, true, CALM);
    assert_eq!(fate.hear(1), Some(Word::Mended));
    fate.report(1, CALM, START);
    assert_eq!(floors(&fate), [Floor::Open; 2]);
}

#[test]
fn what_is_refused_is_in_doubt_while_anything_is_that_came_on_another_stream() {
    let mut fate = fate(&[REFUSED, DUE, DUE]);
    let doubtful = |fate: &Fate| [1, 2, 3].map(|stream| fate.is_doubtful(stream));
    assert_eq!(doubtful(&fate), [false, true, true]);
    fate.refused(2, START);
    assert_eq!(doubtful(&fate), [true; 3]);
    fate.leave(2, START);
    assert_eq!(doubtful(&fate), [true; 3], "the client may keep it");
    converse(&mut fate, 1, true, CALM);
    assert_eq!(doubtful(&fate), [false; 3]);
}

#[test]
fn who_says_nothing_or_is_not_answered_is_waited_for_for_a_time() {
    let mut fate = Fate::new(PATIENCE);
    (1..=4).for_each(|stream| fate.join(stream, START));
    fate.refused(1, START);
    fate.report(1, REFUSED, START);
    fate.report(2, AWAITS, START);
    fate.report(3, DUE, START);
    assert_eq!(fate.until(START), Some(PATIENCE));
    fate.report(3, DUE, PATIENCE / 2);
    assert_eq!(floors(&fate), [Floor::Taken; 4]);
    fate.report(3, DUE, PATIENCE);
    assert_eq!(fate.floor(1), Floor::Ours);
    assert_eq!(fate.until(PATIENCE), Some(PATIENCE * 2));
}

#[test]
fn the_floor_is_taken_from_one_that_keeps_it() {
    for said in [REFUSED, AWAITS] {
        let mut fate = fate(&[REFUSED, REFUSED]);
        fate.report(1, said, START);
        fate.report(2, REFUSED, PATIENCE);
        assert_eq!(floors(&fate), [Floor::Taken, Floor::Ours]);
        // What it is answered late does not count.
        fate.taken(1, PATIENCE);
        assert_eq!(fate.hear(2), None);
    }
}

#[test]
fn one_that_ends_gives_up_the_floor_and_what_it_sent_last_is_in_doubt() {
    let mut fate = fate(&[REFUSED, SEARCHING, DUE]);
    converse(&mut fate, 1, true, SEARCHING);
    fate.hear(2);
    fate.report(2, SEARCHING, START);
    fate.report(2, AWAITS, START);
    fate.leave(2, START);
    assert_eq!(fate.hear(1), Some(Word::Lost), "what it offered may be bad");
    fate.report(1, HELPLESS, START);
    assert_eq!(fate.floor(3), Floor::Ours);
    fate.leave(1, START);
    assert_eq!(floors(&fate), [Floor::Open], "it is alone");
}

#[test]
fn one_that_joins_waits_for_what_is_under_way() {
    let mut fate = fate(&[REFUSED]);
    fate.join(2, START);
    fate.report(2, DUE, START);
    fate.report(1, AWAITS, START);
    assert_eq!(floors(&fate), [Floor::Ours, Floor::Taken]);
    fate.taken(1, START);
    fate.report(1, CALM, START);
    assert_eq!(fate.floor(2), Floor::Ours);
}
