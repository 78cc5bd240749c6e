//! Recordings that are torn, damaged, foreign or of another time, and what is said of each.

use rstest::rstest;

use super::*;

const HEADER: &str =
    "{\"recording\":{\"format\":1,\"version\":\"0.1.0\",\"cluster\":\"c\",\"link\":\"l\"}}\n";

fn turn(number: u64) -> String {
    format!("{{\"turn\":{{\"number\":{number},\"mono\":5,\"wall\":7}}}}\n")
}

/// How many turns can be read, and what is said then.
fn read(text: &str) -> (usize, Result<Ending, String>) {
    let mut turns = 0;
    let told = |reading: Reading| {
        let cause = std::error::Error::source(&reading);
        let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
        format!("{reading}{cause}")
    };
    let mut reader = match Reader::open(text.as_bytes()) {
        Ok(reader) => reader,
        Err(reading) => return (0, Err(told(reading))),
    };
    loop {
        match reader.turn() {
            Ok(Some(_)) => turns += 1,
            Ok(None) => return (turns, Ok(reader.ending())),
            Err(reading) => return (turns, Err(told(reading))),
        }
    }
}

#[test]
fn a_half_written_last_line_is_left_out_whatever_of_it_is_there() {
    let whole = format!("{HEADER}{}", turn(1));
    let last = turn(2);
    assert_eq!(read(&whole), (1, Ok(Ending::Open)));
    for bytes in 1..last.len() {
        let torn = format!("{whole}{}", &last[..bytes]);
        assert_eq!(read(&torn), (1, Ok(Ending::Torn(bytes))));
    }
    let closed = format!("{whole}{{\"end\":{{\"why\":\"limit\"}}}}\n");
    assert_eq!(read(&closed), (1, Ok(Ending::Closed(Why::Limit))));
}

#[test]
fn wherever_a_recording_is_cut_it_is_not_taken_for_a_whole_one() {
    let whole = format!(
        "{HEADER}{}{}{{\"end\":{{\"why\":\"stopped\"}}}}\n",
        turn(1),
        turn(2)
    );
    for bytes in 0..whole.len() {
        let (turns, ending) = read(&whole[..bytes]);
        let between = whole[..bytes].ends_with('\n');
        let told = match ending {
            Ok(Ending::Open) => between,
            Ok(Ending::Torn(torn)) => torn > 0 && !between,
            Ok(Ending::Closed(_)) => false,
            Err(told) => bytes < HEADER.len() && told.starts_with("the recording is empty"),
        };
        assert!(told && turns < 3, "cut after {bytes} bytes");
    }
    let closed = Ok(Ending::Closed(Why::Stopped));
    assert_eq!(read(&whole), (2, closed));
}

#[rstest]
#[case::another_run(HEADER)]
#[case::a_torn_line("{")]
fn what_follows_the_closing_line_is_not_passed_over(#[case] more: &str) {
    let text = format!(
        "{HEADER}{}{{\"end\":{{\"why\":\"stopped\"}}}}\n{more}",
        turn(1)
    );
    let (turns, told) = read(&text);
    let told = told.unwrap_err();
    assert_eq!(turns, 1);
    assert!(
        told.starts_with("line 4: there is content after the closing line"),
        "{told}"
    );
}

#[rstest]
#[case::empty("", "the recording is empty")]
#[case::torn_header(&HEADER[..20], "the recording is empty")]
#[case::audit_log("{\"time\":\"2026-11-22T14:05:28.123Z\"}\n", "line 1: not a recording")]
#[case::binary("\0\0\0\n", "line 1: not a recording")]
#[case::not_first("{\"gap\":{\"turns\":1}}\n", "line 1: not a recording")]
#[case::of_another_time(
    "{\"recording\":{\"format\":2,\"version\":\"0.3.0\",\"new\":[]}}\n",
    "replay it with fusegate 0.3.0"
)]
fn what_is_no_recording_of_ours_is_told_so(#[case] text: &str, #[case] expected: &str) {
    let (_, told) = read(text);
    let told = told.unwrap_err();
    assert!(told.contains(expected), "{told}");
}

#[rstest]
#[case::garbage("x\n", "line 3: not a line of a recording")]
#[case::unknown("{\"other\":{}}\n", "line 3: not a line of a recording")]
#[case::unknown_event(
    "{\"turn\":{\"number\":2,\"mono\":5,\"wall\":7,\"events\":[{\"Other\":1}]}}\n",
    "unknown variant `Other`"
)]
#[case::removed(&turn(3), "line 3: found turn 3, expected turn 2")]
#[case::gap("{\"gap\":{\"turns\":4}}\n", "line 3: 4 turns are missing here")]
#[case::two_runs(HEADER, "line 3: found turn 0, expected turn 2")]
fn a_damaged_line_is_named_and_nothing_beyond_it_is_read(
    #[case] line: &str,
    #[case] expected: &str,
) {
    let text = format!("{HEADER}{}{line}{}", turn(1), turn(3));
    let (turns, told) = read(&text);
    let told = told.unwrap_err();
    assert_eq!(turns, 1);
    assert!(told.contains(expected), "{told}");
}
