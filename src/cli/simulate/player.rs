//! The player: runs the engine on observations, as the controller would have run it at the time.

use std::sync::Arc;

use fusegate_crds::{CircuitPolicySpec, PolicyMesh, Selector};

use crate::breaker::time::{Mono, Now, Span, Wall};
use crate::cli::simulate::observed::Observed;
use crate::cli::simulate::outcome::Outcome;
use crate::cli::simulate::progress::Progress;
use crate::cli::simulate::recorded::Recorded;
use crate::cli::simulate::rows::Rows;
use crate::cli::simulate::subject::Subject;
use crate::cli::simulate::table::Table;
use crate::engine::settings::Capacity;
use crate::engine::{Engine, Settings};
use crate::wire::event::{ApiResource, Change, Event, Feed};

/// Where the engine's own clock begins.
const START: u64 = 1_000_000_000;

/// Plays observations to a policy with these settings.
pub(super) fn play(
    subject: &Subject,
    policy: &Arc<CircuitPolicySpec>,
    observed: &Observed,
    progress: &Progress,
) -> Outcome {
    let (from, to) = observed.span();
    let mut player = Player {
        engine: Engine::new(settings(subject, observed)),
        now: Now::default(),
        outcome: Outcome::new(subject.name.to_string(), from, to),
        confirms: None,
    };
    // What a trip would do to the mesh and to people changes no decision.
    let policy = CircuitPolicySpec {
        mesh: PolicyMesh::default(),
        on_trip: Vec::new(),
        ..(**policy).clone()
    };
    match observed {
        Observed::Table(table) => player.play_table(subject, policy, table, progress),
        Observed::Recorded(recorded) => player.play_turns(subject, policy, recorded, progress),
    }
    player.outcome
}

fn settings(subject: &Subject, observed: &Observed) -> Settings {
    let namespace = match observed {
        Observed::Table(_) => subject.name.namespace.as_str(),
        Observed::Recorded(recorded) => &recorded.namespace,
    };
    Settings {
        cluster: Box::default(),
        namespace: namespace.into(),
        link: Box::default(),
        capacity: Capacity::default(),
        shard: None,
    }
}

struct Player {
    engine: Engine,
    now: Now,
    outcome: Outcome,
    /// The feed that is live all along.
    confirms: Option<Feed>,
}

impl Player {
    /// A table names its objects, and the policy judges all of them.
    fn play_table(
        &mut self,
        subject: &Subject,
        policy: CircuitPolicySpec,
        table: &Table,
        progress: &Progress,
    ) {
        let policy = CircuitPolicySpec {
            selector: Selector::default(),
            ..policy
        };
        let start = self.outcome.from;
        let now = |at: i64| Now {
            mono: Mono(START.saturating_add_signed(at - start)),
            wall: Wall(at),
        };
        let feed = Feed::Objects(subject.kind.clone());
        let mut opening = opening(subject, Arc::new(policy));
        opening.push(Event::ApiResource(Change::Applied(ApiResource {
            target: subject.kind.clone(),
            version: "v1".into(),
            plural: Box::default(),
            namespaced: true,
        })));
        opening.push(Event::Listed(feed.clone()));
        self.confirms = Some(feed);
        self.turn(now(start), opening);
        let mut rows = Rows::of(subject, table);
        for (at, moment) in table.moments() {
            let count = moment.len();
            self.advance(now(at));
            self.turn(now(at), rows.events(at, moment));
            progress.add(count as u64);
        }
    }

    /// A recording tells what was there, and how live that was.
    fn play_turns(
        &mut self,
        subject: &Subject,
        policy: CircuitPolicySpec,
        recorded: &Recorded,
        progress: &Progress,
    ) {
        let Some((first, _)) = recorded.turns.first() else {
            return;
        };
        self.turn(*first, opening(subject, Arc::new(policy)));
        for (now, events) in &recorded.turns {
            self.advance(*now);
            self.turn(*now, events.clone());
            progress.add(1);
        }
        self.advance(recorded.end);
        self.turn(recorded.end, Vec::new());
    }

    /// Lets time pass up to a moment, and wakes the engine as often as it asks.
    fn advance(&mut self, until: Now) {
        while let Some(wake) = self.engine.next_wake() {
            // What is due and can't be done is tried again, as time goes on.
            let wake = wake.max(self.now.mono + Span(1));
            if wake >= until.mono {
                return;
            }
            let wall = self.now.wall + wake.since(self.now.mono);
            self.turn(Now { mono: wake, wall }, Vec::new());
        }
    }

    fn turn(&mut self, now: Now, events: Vec<Event>) {
        self.now = now;
        for event in events {
            self.engine.handle(now, event);
        }
        if let Some(feed) = &self.confirms {
            self.engine.handle(now, Event::Confirmed(feed.clone()));
        }
        self.engine.tick(now);
        self.outcome.take(now.wall.0, self.engine.flush(now));
    }
}

/// What people order, before anything is observed.
fn opening(subject: &Subject, policy: Arc<CircuitPolicySpec>) -> Vec<Event> {
    let listed = [
        Feed::Contracts,
        Feed::Policies,
        Feed::Overrides,
        Feed::Crds,
        Feed::Revisions,
    ];
    let ordered = [
        Event::Leading(true),
        subject.contract_event(),
        subject.policy_event(policy),
    ];
    let listed = listed.into_iter().map(Event::Listed);
    ordered.into_iter().chain(listed).collect()
}
