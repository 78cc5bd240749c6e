//! Recordings as they arrive in files, and where they end: at a limit, on a full disk, behind a slow reader.

use std::fs::{self, OpenOptions};
use std::io::{BufReader, Read as _};
use std::time::Duration;

use super::*;
use crate::breaker::time::{Mono, Wall};
use crate::recording::line::FORMAT;
use crate::recording::reader::{Ending, Reader, Reading};

const MUCH: u64 = 1 << 30;

fn config(path: &Path, limit: u64) -> Config {
    Config {
        path: path.to_owned(),
        limit,
        header: Header {
            format: FORMAT,
            version: "0.1.0".to_owned(),
            cluster: "test".to_owned(),
            link: String::new(),
            namespace: String::new(),
            shard: None,
            rules: 0,
            began: None,
        },
    }
}

fn turn(recorder: &mut Recorder, events: &[Event]) {
    let number = recorder.number;
    recorder.begin(Now {
        mono: Mono(number),
        wall: Wall(1_700_000_000_000),
    });
    for event in events {
        recorder.event(event);
    }
    recorder.publication(&Publication::default());
    recorder.effects(&[Effect::Audit(Box::default())]);
    recorder.end();
}

async fn drain(recorder: Recorder) {
    recorder
        .drain(Instant::now() + Duration::from_mins(1))
        .await;
}

/// The events of each turn that can be replayed, and what comes then.
fn read(path: &Path) -> (Vec<usize>, Result<Ending, Reading>) {
    let mut reader = Reader::open(BufReader::new(File::open(path).unwrap())).unwrap();
    let mut turns = Vec::new();
    loop {
        match reader.turn() {
            Ok(Some(turn)) => turns.push(turn.events.len()),
            Ok(None) => return (turns, Ok(reader.ending())),
            Err(reading) => return (turns, Err(reading)),
        }
    }
}

#[tokio::test]
async fn every_turn_is_read_back_and_the_run_before_is_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recording.jsonl");
    for turns in [1, 3] {
        let metrics = Metrics::new();
        let mut recorder = Recorder::start(config(&path, MUCH), metrics.clone()).unwrap();
        for _ in 0..turns {
            turn(&mut recorder, &[]);
            turn(
                &mut recorder,
                &[Event::Leading(true), Event::Leading(false)],
            );
        }
        assert_eq!(metrics.recording.whole.get(), 1);
        drain(recorder).await;
        assert_eq!(metrics.recording.turns.get(), 2 * turns);
    }
    let closed = Ok(Ending::Closed(Why::Stopped));
    let (turns, ending) = read(&path);
    assert_eq!(
        (turns, ending.map_err(drop)),
        (vec![0, 2, 0, 2, 0, 2], closed)
    );
    let (before, _) = read(&folder.path().join("recording.jsonl.1"));
    assert_eq!(before, [0, 2]);
}

#[tokio::test]
async fn a_recording_ends_at_its_limit_with_whole_turns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recording.jsonl");
    let metrics = Metrics::new();
    let mut recorder = Recorder::start(config(&path, 1_000), metrics.clone()).unwrap();
    for _ in 0..100 {
        turn(&mut recorder, &[Event::Leading(true)]);
    }
    assert_eq!(metrics.recording.whole.get(), 0);
    drain(recorder).await;
    let (turns, ending) = read(&path);
    assert_eq!(ending.unwrap(), Ending::Closed(Why::Limit));
    assert_eq!(turns.len() as u64, metrics.recording.turns.get());
    assert!((3..10).contains(&turns.len()), "{turns:?}");
    let closing = 30;
    assert!(fs::metadata(&path).unwrap().len() < 1_000 + closing);
    let met = "fusegate_bounds_met_total{bound=\"recording\"} 1";
    assert!(metrics.encode().contains(met), "{}", metrics.encode());
}

#[tokio::test]
async fn a_full_disk_stops_nothing_and_is_counted() {
    let metrics = Metrics::new();
    let mut recorder =
        Recorder::start(config(Path::new("/dev/full"), MUCH), metrics.clone()).unwrap();
    let long = Event::Interrupted(crate::wire::event::Feed::Crds, "x".repeat(1 << 20).into());
    for _ in 0..40 {
        turn(&mut recorder, std::slice::from_ref(&long));
    }
    assert!(metrics.recording.dropped.get() >= 40 - 16);
    assert_eq!(metrics.recording.whole.get(), 0);
    // The deadline has passed: it is given up at once.
    recorder.drain(Instant::now()).await;
}

#[tokio::test]
async fn turns_that_find_no_room_are_confessed_and_nothing_beyond_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    // Open for both, so that the recorder finds a reader that does not read yet.
    let mut reading = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&fifo)
        .unwrap();
    let metrics = Metrics::new();
    let mut recorder = Recorder::start(config(&fifo, MUCH), metrics.clone()).unwrap();
    turn(&mut recorder, &[]);
    let long = Event::Interrupted(crate::wire::event::Feed::Crds, "x".repeat(1 << 20).into());
    while metrics.recording.dropped.get() < 3 {
        turn(&mut recorder, std::slice::from_ref(&long));
    }
    let written = metrics.recording.turns.get();
    let whole = tokio::task::spawn_blocking(move || {
        let mut text = Vec::new();
        let end = b"{\"end\":{\"why\":\"stopped\"}}\n";
        let mut chunk = vec![0; 1 << 16];
        while !text.ends_with(end) {
            let count = reading.read(&mut chunk).unwrap();
            text.extend_from_slice(&chunk[..count]);
        }
        text
    });
    drain(recorder).await;
    let path = folder.path().join("recording.jsonl");
    fs::write(&path, whole.await.unwrap()).unwrap();
    let (turns, ending) = read(&path);
    assert_eq!(turns.len() as u64, written);
    let told = ending.unwrap_err().to_string();
    let line = written + 2;
    assert!(
        told.starts_with(&format!("line {line}: 3 turns are missing here")),
        "{told}"
    );
}

#[test]
fn a_file_that_can_not_be_made_is_named_with_what_to_do() {
    let config = config(Path::new("/nowhere/recording.jsonl"), MUCH);
    let refused = Recorder::start(config, Metrics::new()).err().unwrap();
    let told = refused.to_string();
    assert!(
        told.contains("/nowhere/recording.jsonl") && told.contains("--record"),
        "{told}"
    );
}
