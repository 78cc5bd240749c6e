//! A tape: all that a scenario told its engine, played to a second one when the scenario ends.
//!
//! Every scenario has one, so that none can be written whose decisions a replay does not repeat.

use bytes::Bytes;

use crate::breaker::time::Now;
use crate::engine::output::{Counts, Output};
use crate::engine::{Engine, Settings};
use crate::wire::effect::Effect;
use crate::wire::event::Event;
use crate::wire::view::View;

/// What was told and what came of it.
pub(super) struct Tape {
    settings: Settings,
    acts: Vec<(Now, Act)>,
    outputs: Vec<Asked>,
    view: Option<View>,
}

enum Act {
    /// An event, as a recording keeps it.
    Event(String),
    Tick,
    Flush,
}

impl Tape {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            acts: Vec::new(),
            outputs: Vec::new(),
            view: None,
        }
    }

    pub(super) fn event(&mut self, now: Now, event: &Event) {
        let event = serde_json::to_string(event).unwrap();
        self.acts.push((now, Act::Event(event)));
    }

    pub(super) fn tick(&mut self, now: Now) {
        self.acts.push((now, Act::Tick));
    }

    pub(super) fn flush(&mut self, now: Now, output: &Output) {
        self.acts.push((now, Act::Flush));
        self.outputs.push(Asked::of(output));
        self.view = output.view.clone().or(self.view.take());
    }

    fn replay(&self) {
        let mut engine = Engine::new(self.settings.clone());
        let mut outputs = self.outputs.iter();
        let mut view = None;
        for (at, (now, act)) in self.acts.iter().enumerate() {
            match act {
                Act::Event(event) => engine.handle(*now, serde_json::from_str(event).unwrap()),
                Act::Tick => engine.tick(*now),
                Act::Flush => {
                    let output = engine.flush(*now);
                    assert_eq!(
                        Some(&Asked::of(&output)),
                        outputs.next(),
                        "act {at} at {now:?}"
                    );
                    view = output.view.or(view);
                }
            }
        }
        assert_eq!(view.as_ref().map(seen), self.view.as_ref().map(seen));
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.replay();
        }
    }
}

/// What an output asks of the world; what it shows is compared at the end, since it is shown whole each time.
#[derive(Debug, PartialEq)]
struct Asked {
    effects: Vec<Effect>,
    publication: String,
    bytes: Vec<Bytes>,
    counts: Counts,
}

impl Asked {
    fn of(output: &Output) -> Self {
        let put = output.publication.put.iter();
        Self {
            effects: output.effects.clone(),
            publication: format!("{:?}", output.publication),
            bytes: put.map(|resource| resource.any().clone()).collect(),
            counts: output.counts.clone(),
        }
    }
}

/// Everything in a view, its hash map sorted.
fn seen(view: &View) -> String {
    let mut unconfirmed: Vec<_> = view.unconfirmed.iter().collect();
    unconfirmed.sort();
    let (policies, synced, leads, objects) =
        (&view.policies, view.synced, view.leads, view.objects);
    format!("{policies:?} {unconfirmed:?} {synced} {leads} {objects}")
}
