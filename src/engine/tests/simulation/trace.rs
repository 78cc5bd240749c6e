//! The trace of a run: what happened at which moment, and how that left each replica and the store.

use std::fmt::Write as _;

use super::agenda::{Act, Deed, Time};
use super::replica::Replica;
use super::store::{OBJECTS, Store};
use crate::breaker::streak::Streak;
use crate::engine::state::object::ObjectEntry;
use crate::engine::tests::world::kind;

#[derive(Debug, Default)]
pub(super) struct Trace {
    lines: Vec<String>,
    replicas: Vec<String>,
    status: u64,
}

impl Trace {
    /// Notes what is about to happen.
    pub(super) fn note(&mut self, at: Time, act: &Act) {
        let dull = matches!(
            act,
            Act::Do(
                _,
                Deed::Turn | Deed::Confirm | Deed::LeaseTimeout(_) | Deed::StatusTimeout(_)
            )
        );
        if !dull {
            let text: String = format!("{act:?}").chars().take(240).collect();
            self.lines.push(format!("{at} {text}"));
        }
    }

    /// Notes what is another than before.
    pub(super) fn compare(&mut self, replicas: &[Replica], store: &Store) {
        self.replicas.resize(replicas.len(), String::new());
        for (replica, before) in replicas.iter().zip(&mut self.replicas) {
            let is = describe(replica);
            if *before != is {
                self.lines.push(format!("      replica {is}"));
                *before = is;
            }
        }
        if store.version != self.status {
            self.status = store.version;
            let records = store.status.circuits.iter();
            let records = records.map(|record| {
                let rule = record.rules.first();
                format!(
                    "{} {:?} of {} trips by {:?}, last {:?} at version {:?}, keeps {:?}",
                    record.name,
                    record.state,
                    record.incident,
                    record.trip_id,
                    rule.and_then(|rule| rule.class.as_ref()),
                    record.observed_version,
                    record.frozen,
                )
            });
            let records: Vec<_> = records.collect();
            self.lines.push(format!(
                "      status {}: {}",
                store.version,
                records.join("; ")
            ));
        }
    }

    pub(super) fn tell(self) -> String {
        let lines = self.lines.iter();
        lines.fold("\n".to_owned(), |text, line| text + line + "\n")
    }
}

fn describe(replica: &Replica) -> String {
    let marks = [
        (!replica.up, "down"),
        (replica.cut, "cut off"),
        (replica.leads, "leads"),
        (replica.held.is_some(), "waits for a write"),
        (replica.shown.is_none(), "answers nobody"),
    ];
    let marks = marks.into_iter().filter(|(holds, _)| *holds);
    let mut text = format!("{}:", replica.index);
    for (_, mark) in marks {
        text = text + " " + mark + ",";
    }
    for circuit in replica
        .engine
        .state
        .policies
        .values()
        .flat_map(|policy| policy.circuits.values())
    {
        let breaker = &circuit.breaker;
        let rule = breaker.rules.first();
        let uid = format!("{}-1", circuit.object);
        let object = replica.engine.state.object(&kind(), &uid);
        let _ = write!(
            text,
            " {} {} of {} trips by {:?}, {} bad at version {:?}, keeps {:?};",
            circuit.object,
            breaker.state.name().name(),
            breaker.incident,
            circuit.trip().map(|trip| trip.to_string()),
            rule.map_or(0, Streak::count),
            object.and_then(ObjectEntry::version),
            object.and_then(ObjectEntry::frozen).or(circuit.restored()),
        );
    }
    let shown = replica.shown.as_ref();
    let shed = shown.map(|shown| shown.each_ref().map(|shed| shed.percent));
    text + &format!(" sheds {shed:?} of {OBJECTS:?}")
}
