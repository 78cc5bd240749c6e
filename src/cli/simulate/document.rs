//! The document: the outcome for machines.

use serde_json::{Map, Value, json};

use crate::cli::simulate::observed::{Marks, Observed};
use crate::cli::simulate::outcome::{Outcome, Score, is_false, sick, to_trip};
use crate::cli::simulate::subject::Subject;
use crate::cli::simulate::sweep::Setting;
use crate::cli::simulate::text::moment;
use crate::cli::simulate::track::{Track, Trip};

/// One simulation.
pub(super) fn of_outcome(
    subject: &Subject,
    observed: &Observed,
    outcome: &Outcome,
    marks: Option<&Marks>,
) -> Value {
    let mut document = head(subject, observed);
    let circuits = outcome.tracks.iter().map(|(object, track)| {
        let marks = marks.and_then(|marks| marks.get(object));
        let trips = track.trips.iter().map(|trip| {
            let sick = marks.map_or_else(Vec::new, |marks| sick(marks, outcome.to));
            let mut shown = trip_of(trip, to_trip(trip, &sick));
            if let (Some(marks), Some(fields)) = (marks, shown.as_object_mut()) {
                fields.insert("false".to_owned(), is_false(trip, marks).into());
            }
            shown
        });
        let trips: Vec<Value> = trips.collect();
        json!({"object": object, "trips": trips, "moves": moves(track)})
    });
    document.insert("circuits".to_owned(), circuits.collect());
    document.extend(of_score(&outcome.score(marks)));
    document.into()
}

/// A sweep.
pub(super) fn of_sweep(
    subject: &Subject,
    observed: &Observed,
    scores: &[(Setting, Score)],
) -> Value {
    let mut document = head(subject, observed);
    let settings = scores.iter().map(|(setting, score)| {
        let mut fields = Map::new();
        let values = setting.values.iter().cloned();
        let values: Map<String, Value> = values.map(|(name, value)| (name, value.into())).collect();
        fields.insert("set".to_owned(), values.into());
        fields.extend(of_score(score));
        Value::Object(fields)
    });
    document.insert("settings".to_owned(), settings.collect());
    document.into()
}

fn head(subject: &Subject, observed: &Observed) -> Map<String, Value> {
    let (from, to) = observed.span();
    let fields = [
        ("policy", subject.name.to_string().into()),
        ("contract", subject.contract.name().into()),
        ("from", moment(from).into()),
        ("to", moment(to).into()),
        ("observations", observed.count().into()),
    ];
    fields
        .map(|(name, value): (&str, Value)| (name.to_owned(), value))
        .into_iter()
        .collect()
}

fn trip_of(trip: &Trip, to_trip: i64) -> Value {
    json!({
        "id": trip.id, "at": moment(trip.at), "closedAt": trip.closed.map(moment), "toTripMillis": to_trip,
        "reopened": trip.reopened, "latched": trip.latched, "reason": trip.reason,
    })
}

fn moves(track: &Track) -> Vec<Value> {
    let moves = track.moves.iter();
    let moves = moves.map(|moved| json!({"at": moment(moved.at), "state": moved.state.name(), "reason": moved.reason}));
    moves.collect()
}

fn of_score(score: &Score) -> Map<String, Value> {
    let mut fields = json!({
        "trips": score.trips, "openMillis": score.open, "halfOpenMillis": score.half_open,
        "toTripMillis": score.to_trip, "suppressed": score.suppressed, "latched": score.latched,
    });
    if let (Some(marked), Some(fields)) = (score.marked, fields.as_object_mut()) {
        fields.insert("falseTrips".to_owned(), marked.false_trips.into());
        fields.insert("sickPeriods".to_owned(), marked.sick.into());
        fields.insert("missedPeriods".to_owned(), marked.missed.into());
    }
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
