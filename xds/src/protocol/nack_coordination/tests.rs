//! Who may send, step by step.

use std::time::Duration;

use super::{NackCoordination, Notice, SendPermit, StreamState};

const PATIENCE: Duration = Duration::from_mins(1);

const START: Duration = Duration::ZERO;

const CALM: StreamState = StreamState {
    awaits: false,
    restoring: false,
    unsettled: false,
    due: false,
};

const DUE: StreamState = StreamState { due: true, ..CALM };

const AWAITS: StreamState = StreamState {
    awaits: true,
    ..CALM
};

/// It was refused something.
const REFUSED: StreamState = StreamState {
    restoring: true,
    unsettled: true,
    due: true,
    ..CALM
};

/// What it gave back was refused, too.
const HELPLESS: StreamState = StreamState {
    restoring: false,
    ..REFUSED
};

/// It has an offer to make.
const SEARCHING: StreamState = HELPLESS;

/// The coordination of streams numbered from 1, which said this of themselves once the first was refused something.
fn coordination(states: &[StreamState]) -> NackCoordination {
    let mut streams = NackCoordination::new(PATIENCE);
    let numbered = || (1..).zip(states);
    numbered().for_each(|(stream, _)| streams.join(stream, START));
    streams.note_refused(1, START);
    numbered().for_each(|(stream, state)| streams.report(stream, *state, START));
    streams.take_woken();
    streams
}

/// The stream sends something, and gets its answer.
fn converse(streams: &mut NackCoordination, stream: u64, taken: bool, then: StreamState) {
    assert_eq!(streams.permit(stream), SendPermit::Granted);
    streams.report(stream, AWAITS, START);
    assert_eq!(
        streams.permit(stream),
        SendPermit::Granted,
        "until it is answered"
    );
    if taken {
        streams.note_taken(stream, START);
    } else {
        streams.note_refused(stream, START);
    }
    streams.report(stream, then, START);
}

fn permits(streams: &NackCoordination) -> Vec<SendPermit> {
    let all = streams.members.keys();
    all.map(|stream| streams.permit(*stream)).collect()
}

#[test]
fn where_nothing_is_refused_everyone_sends() {
    let mut streams = NackCoordination::new(PATIENCE);
    for stream in 1..=3 {
        streams.join(stream, START);
    }
    assert_eq!(permits(&streams), [SendPermit::Free; 3]);
    assert!(!streams.is_in_question());
    assert!(streams.take_woken().is_empty());
}

#[test]
fn one_alone_sends_when_it_likes() {
    let streams = coordination(&[REFUSED]);
    assert_eq!(permits(&streams), [SendPermit::Free]);
    assert!(streams.is_in_question());
}

#[test]
fn after_a_refusal_nobody_sends_before_all_are_answered() {
    let mut streams = NackCoordination::new(PATIENCE);
    (1..=3).for_each(|stream| streams.join(stream, START));
    streams.note_refused(2, START);
    assert_eq!(streams.take_woken(), [1, 3]);
    streams.report(2, REFUSED, START);
    streams.report(3, DUE, START);
    assert_eq!(permits(&streams), [SendPermit::Denied; 3]);
    streams.report(1, AWAITS, START);
    assert_eq!(permits(&streams), [SendPermit::Denied; 3]);
    streams.report(1, DUE, START);
    assert_eq!(
        permits(&streams),
        [SendPermit::Denied, SendPermit::Granted, SendPermit::Denied]
    );
    assert_eq!(streams.take_woken(), [2]);
}

#[test]
fn what_was_refused_is_given_back_before_anything_else_goes() {
    let mut streams = coordination(&[REFUSED, DUE, REFUSED]);
    converse(&mut streams, 1, false, HELPLESS);
    assert_eq!(
        permits(&streams),
        [SendPermit::Denied, SendPermit::Denied, SendPermit::Granted]
    );
    converse(&mut streams, 3, true, SEARCHING);
    assert_eq!(streams.take_notice(1), Some(Notice::Mended));
    assert_eq!([streams.take_notice(2), streams.take_notice(3)], [None; 2]);
    streams.report(1, SEARCHING, START);
    assert_eq!(streams.permit(1), SendPermit::Granted);
}

#[test]
fn one_after_the_other_sends_what_is_due() {
    let mut streams = coordination(&[REFUSED, DUE, DUE]);
    converse(&mut streams, 1, true, SEARCHING);
    converse(&mut streams, 2, true, DUE);
    converse(&mut streams, 3, true, DUE);
    converse(&mut streams, 1, true, CALM);
    assert_eq!(permits(&streams)[1], SendPermit::Granted);
    streams.pass_on(2, DUE, START);
    streams.pass_on(3, DUE, START);
    assert_eq!(
        permits(&streams),
        [SendPermit::Free; 3],
        "nothing is in question"
    );
}

#[test]
fn who_has_nothing_to_send_is_not_asked_again_and_again() {
    let mut streams = coordination(&[REFUSED, DUE]);
    converse(&mut streams, 1, true, SEARCHING);
    streams.pass_on(2, DUE, START);
    streams.pass_on(1, SEARCHING, START);
    assert_eq!(permits(&streams), [SendPermit::Denied; 2]);
    streams.take_woken();
    streams.report(2, DUE, START);
    assert_eq!(streams.permit(2), SendPermit::Granted);
}

#[test]
fn with_nothing_to_give_back_all_is_lost_until_some_is_taken() {
    let mut streams = coordination(&[REFUSED, DUE]);
    converse(&mut streams, 1, false, HELPLESS);
    assert_eq!(streams.take_notice(1), Some(Notice::Lost));
    assert_eq!(streams.take_notice(2), None);
    let refusing = StreamState {
        unsettled: true,
        ..CALM
    };
    streams.report(1, refusing, START);
    converse(&mut streams, 2, true, CALM);
    assert_eq!(streams.take_notice(1), Some(Notice::Mended));
    streams.report(1, CALM, START);
    assert_eq!(permits(&streams), [SendPermit::Free; 2]);
}

#[test]
fn a_refusal_is_in_doubt_while_another_stream_is() {
    let mut streams = coordination(&[REFUSED, DUE, DUE]);
    let inconclusive =
        |streams: &NackCoordination| [1, 2, 3].map(|stream| streams.is_inconclusive(stream));
    assert_eq!(inconclusive(&streams), [false, true, true]);
    streams.note_refused(2, START);
    assert_eq!(inconclusive(&streams), [true; 3]);
    streams.leave(2, START);
    assert_eq!(inconclusive(&streams), [true; 3], "the client may keep it");
    converse(&mut streams, 1, true, CALM);
    assert_eq!(inconclusive(&streams), [false; 3]);
}

#[test]
fn who_says_nothing_or_is_not_answered_is_waited_for_for_a_time() {
    let mut streams = NackCoordination::new(PATIENCE);
    (1..=4).for_each(|stream| streams.join(stream, START));
    streams.note_refused(1, START);
    streams.report(1, REFUSED, START);
    streams.report(2, AWAITS, START);
    streams.report(3, DUE, START);
    assert_eq!(streams.until(START), Some(PATIENCE));
    streams.report(3, DUE, PATIENCE / 2);
    assert_eq!(permits(&streams), [SendPermit::Denied; 4]);
    streams.report(3, DUE, PATIENCE);
    assert_eq!(streams.permit(1), SendPermit::Granted);
    assert_eq!(streams.until(PATIENCE), Some(PATIENCE * 2));
}

#[test]
fn the_floor_is_taken_from_one_that_keeps_it() {
    for said in [REFUSED, AWAITS] {
        let mut streams = coordination(&[REFUSED, REFUSED]);
        streams.report(1, said, START);
        streams.report(2, REFUSED, PATIENCE);
        assert_eq!(permits(&streams), [SendPermit::Denied, SendPermit::Granted]);
        // What it is answered late does not count.
        streams.note_taken(1, PATIENCE);
        assert_eq!(streams.take_notice(2), None);
    }
}

#[test]
fn one_that_ends_gives_up_the_floor_and_what_it_sent_last_is_in_doubt() {
    let mut streams = coordination(&[REFUSED, SEARCHING, DUE]);
    converse(&mut streams, 1, true, SEARCHING);
    streams.take_notice(2);
    streams.report(2, SEARCHING, START);
    streams.report(2, AWAITS, START);
    streams.leave(2, START);
    assert_eq!(
        streams.take_notice(1),
        Some(Notice::Lost),
        "what it offered may be bad"
    );
    streams.report(1, HELPLESS, START);
    assert_eq!(streams.permit(3), SendPermit::Granted);
    streams.leave(1, START);
    assert_eq!(permits(&streams), [SendPermit::Free], "it is alone");
}

#[test]
fn one_that_joins_waits_for_what_is_under_way() {
    let mut streams = coordination(&[REFUSED]);
    streams.join(2, START);
    streams.report(2, DUE, START);
    streams.report(1, AWAITS, START);
    assert_eq!(permits(&streams), [SendPermit::Granted, SendPermit::Denied]);
    streams.note_taken(1, START);
    streams.report(1, CALM, START);
    assert_eq!(streams.permit(2), SendPermit::Granted);
}
