//! Feeds: what a replica lists and watches at the API server.

use std::sync::Arc;

use super::agenda::{Act, Deed, Feed};
use super::run::Simulation;
use super::store::Logged;
use crate::engine::tests::world::{accepted, crd, crd_spec, kind, meta};
use crate::wire::event::{self, Change, Document, Event};

impl Simulation {
    pub(super) fn start(&mut self, which: usize) {
        if self.replicas[which].up {
            return;
        }
        self.replicas[which] = self.replicas[which].restarted();
        self.healthy_since[which] = self.at;
        let sender = self.replicas[which].sender();
        let mut arrange = |least, most, deed| {
            let when = self.at + self.dice.between(least, most);
            self.agenda.enter(when, Act::Do(sender, deed));
        };
        for feed in 0..3 {
            arrange(5, 150, Deed::Configure(feed));
        }
        arrange(5, 150, Deed::List(Feed::Policies));
        arrange(150, 400, Deed::List(Feed::Objects));
        arrange(5, 500, Deed::Elect);
        arrange(500, 5_000, Deed::Confirm);
        arrange(0, 30_000, Deed::Resend(0));
    }

    /// One of the feeds that never change.
    pub(super) fn configure(&mut self, by: usize, which: u8) {
        if self.replicas[by].cut {
            let sender = self.replicas[by].sender();
            let deed = Deed::Configure(which);
            self.agenda.enter(self.at + 500, Act::Do(sender, deed));
            return;
        }
        match which {
            0 => {
                self.replicas[by].configured = Some(self.at);
                self.hear(
                    by,
                    Event::Contract(Change::Applied(Document {
                        meta: meta("", "storefronts.shop.example.com", "contract-uid", 1),
                        spec: Ok(Arc::clone(&self.contract)),
                        status: Some(Arc::new(accepted())),
                    })),
                );
                self.hear(by, Event::Listed(event::Feed::Contracts));
            }
            1 => {
                self.hear(by, Event::Crd(Change::Applied(crd(crd_spec(50, true), 1))));
                self.hear(by, Event::Listed(event::Feed::Crds));
                self.hear(by, Event::Listed(event::Feed::Revisions));
            }
            _ => self.hear(by, Event::Listed(event::Feed::Overrides)),
        }
    }

    pub(super) fn list(&mut self, by: usize, feed: Feed) {
        let replica = &self.replicas[by];
        if replica.cut || (feed == Feed::Objects && replica.configured.is_none()) {
            let sender = replica.sender();
            self.agenda
                .enter(self.at + 500, Act::Do(sender, Deed::List(feed)));
            return;
        }
        let (named, items) = match feed {
            Feed::Policies => {
                let policy = self.policy(self.store.status.clone());
                (event::Feed::Policies, vec![policy])
            }
            Feed::Objects => {
                let objects = self.store.objects.iter();
                let objects =
                    objects.map(|object| Event::Object(kind(), Change::Applied(object.clone())));
                (event::Feed::Objects(kind()), objects.collect())
            }
        };
        self.hear(by, Event::Listing(named.clone()));
        for item in items {
            self.hear(by, item);
        }
        self.hear(by, Event::Listed(named.clone()));
        self.hear(by, Event::Confirmed(named));
        self.reopen(by, feed);
    }

    pub(super) fn resume(&mut self, by: usize, feed: Feed) {
        let watch = self.replicas[by].watch(feed);
        let ready = watch.listed && !watch.open;
        if self.replicas[by].cut || !ready {
            return;
        }
        let position = self.replicas[by].watch(feed).position;
        let missed: Vec<Logged> = self.store.log[position..].to_vec();
        for logged in missed.into_iter().filter(|logged| logged.feed() == feed) {
            let event = self.brought(logged);
            self.hear(by, event);
        }
        if feed == Feed::Objects {
            self.hear(by, Event::Confirmed(event::Feed::Objects(kind())));
        }
        self.reopen(by, feed);
    }

    fn reopen(&mut self, by: usize, feed: Feed) {
        let (at, newest) = (self.at, self.store.log.len());
        let watch = self.replicas[by].watch(feed);
        watch.open = true;
        watch.listed = true;
        watch.session += 1;
        watch.position = newest;
        watch.last = at;
    }

    /// Brings a change to everybody who watches.
    pub(super) fn watch_brings(&mut self, index: usize) {
        let feed = self.store.log[index].feed();
        for by in 0..self.replicas.len() {
            let when = self.at + self.delay();
            let replica = &mut self.replicas[by];
            let sender = replica.sender();
            let watch = replica.watch(feed);
            if !watch.open {
                continue;
            }
            watch.last = watch.last.max(when);
            let session = watch.session;
            let deed = Deed::Watched {
                feed,
                session,
                index,
            };
            self.agenda.enter(watch.last, Act::Do(sender, deed));
        }
    }

    pub(super) fn watched(&mut self, by: usize, feed: Feed, session: u32, index: usize) {
        let watch = self.replicas[by].watch(feed);
        if watch.open && watch.session == session {
            watch.position = index + 1;
            let logged = self.store.log[index].clone();
            let event = self.brought(logged);
            self.hear(by, event);
        }
    }

    fn brought(&self, logged: Logged) -> Event {
        match logged {
            Logged::Status(status) => self.policy(status),
            Logged::Object(object) => Event::Object(kind(), Change::Applied(*object)),
        }
    }
}
