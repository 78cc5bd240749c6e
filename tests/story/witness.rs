//! A witness: asks an Envoy again and again, whatever else happens, and remembers what it saw and when.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::Client;
use serde_json::Value;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
};

use super::{acts::from_now, documents::Documents, world::Shop};
use crate::support::{
    http,
    servers::envoy::{Envoy, layer_of},
    wait::pace,
};

/// Often beside a start of fusegate, and seldom enough to leave the cores to others.
const PACE: Duration = Duration::from_millis(4);
const PACE_OF_KEYS: Duration = Duration::from_millis(10);

/// One look: what was seen between two moments, in Unix milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Look<T> {
    pub(super) asked: i64,
    pub(super) answered: i64,
    pub(super) seen: T,
}

/// Whom a witness looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// An Envoy that answers always.
    Steady,
    /// One that is killed and frozen: what has no answer let nothing through, and of what it holds nothing is known.
    Troubled,
}

/// What Envoy does with one cluster's traffic, and what it holds for it.
pub(super) struct Witness {
    pub(super) answers: Vec<Look<u16>>,
    pub(super) percents: Vec<Look<Option<String>>>,
    traffic: UnboundedReceiver<Look<u16>>,
    keys: UnboundedReceiver<Look<Option<String>>>,
    tasks: JoinSet<Result<()>>,
}

/// Now, in Unix milliseconds.
pub(super) fn now() -> Result<i64> {
    Ok(from_now(Duration::ZERO)?.millis())
}

impl Witness {
    /// Begins to look at an object's cluster.
    pub(super) fn of(shop: &Shop, object: &str) -> Result<Self> {
        let key = shop.shed_key(object);
        Self::at(&shop.envoy, &shop.documents, object, key, Subject::Steady)
    }

    /// Begins to look at an object's cluster at an Envoy, and at the key by which that is shed.
    pub(super) fn at(
        envoy: &Envoy,
        documents: &Documents,
        object: &str,
        key: String,
        subject: Subject,
    ) -> Result<Self> {
        let client = http::builder().build()?;
        let url = envoy.url(&documents.cluster(object));
        let runtime = envoy.admin_url("runtime");
        let layer = documents.namespace.clone();
        let (to_traffic, traffic) = unbounded_channel();
        let (to_keys, keys) = unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(watch_traffic(client.clone(), url, to_traffic, subject));
        if subject == Subject::Steady {
            tasks.spawn(watch_keys(client, runtime, layer, key, to_keys));
        }
        Ok(Self {
            answers: Vec::new(),
            percents: Vec::new(),
            traffic,
            keys,
            tasks,
        })
    }

    /// Takes in what was seen meanwhile; fails if a look has failed.
    pub(super) fn catch_up(&mut self) -> Result<()> {
        while let Ok(look) = self.traffic.try_recv() {
            self.answers.push(look);
        }
        while let Ok(look) = self.keys.try_recv() {
            self.percents.push(look);
        }
        match self.tasks.try_join_next() {
            None => Ok(()),
            Some(ended) => ended?.context("a witness could look no more"),
        }
    }

    /// Forgets what was seen so far.
    pub(super) fn forget(&mut self) {
        self.answers.clear();
        self.percents.clear();
    }

    /// When the first 503 had come, if there was one: when it was asked for, Envoy may not have known of it yet.
    pub(super) fn shed_since(&self) -> Option<i64> {
        let first = self.answers.iter().find(|look| look.seen == 503);
        first.map(|look| look.answered)
    }

    /// Fails if any answer between two moments was no 503, or if there was none at all.
    pub(super) fn shed_throughout(&self, from: i64, until: i64) -> Result<()> {
        self.never_let_through(from, until)?;
        ensure!(
            self.answers_within(from, until).next().is_some(),
            "nobody looked between {from} and {until}"
        );
        Ok(())
    }

    /// Fails if any answer between two moments was no 503.
    pub(super) fn never_let_through(&self, from: i64, until: i64) -> Result<()> {
        let mut answers = self.answers_within(from, until);
        let leak = answers.find(|look| look.seen != 503);
        ensure!(
            leak.is_none(),
            "shed from {from} until {until}, and yet {leak:?}"
        );
        Ok(())
    }

    fn answers_within(&self, from: i64, until: i64) -> impl Iterator<Item = &Look<u16>> {
        let answers = self.answers.iter();
        answers.filter(move |look| look.asked >= from && look.answered < until)
    }

    /// When it was first known, of looks since a moment, that Envoy held this percent.
    pub(super) fn first_held(&self, percent: &str, since: i64) -> Option<i64> {
        let mut looks = self.percents.iter().filter(|look| look.asked >= since);
        let found = looks.find(|look| look.seen.as_deref() == Some(percent));
        found.map(|look| look.answered)
    }

    /// Fails if Envoy ever was without a percent for the cluster between the first one and this moment.
    pub(super) fn held_throughout(&self, from: i64, until: i64) -> Result<()> {
        let within = |look: &&Look<Option<String>>| look.asked >= from && look.answered < until;
        let gap = self
            .percents
            .iter()
            .filter(within)
            .find(|look| look.seen.is_none());
        ensure!(
            gap.is_none(),
            "held from {from} until {until}, and yet {gap:?}"
        );
        Ok(())
    }

    /// What Envoy answered last, and what it held last.
    pub(super) fn latest(&self) -> (Option<u16>, Option<&str>) {
        let answer = self.answers.last().map(|look| look.seen);
        let percent = self.percents.last().and_then(|look| look.seen.as_deref());
        (answer, percent)
    }
}

async fn watch_traffic(
    client: Client,
    url: String,
    to: UnboundedSender<Look<u16>>,
    subject: Subject,
) -> Result<()> {
    loop {
        let asked = now()?;
        match ask(&client, &url).await {
            Ok(seen) => tell(&to, asked, seen)?,
            Err(_) if subject == Subject::Troubled => {}
            Err(error) => return Err(error),
        }
        pace(PACE).await;
    }
}

async fn ask(client: &Client, url: &str) -> Result<u16> {
    let answer = client.get(url).send().await?;
    let status = answer.status().as_u16();
    answer.bytes().await?;
    Ok(status)
}

async fn watch_keys(
    client: Client,
    url: String,
    layer: String,
    key: String,
    to: UnboundedSender<Look<Option<String>>>,
) -> Result<()> {
    loop {
        let asked = now()?;
        let runtime: Value = client.get(&url).send().await?.json().await?;
        tell(&to, asked, layer_of(&runtime, &layer)?.remove(&key))?;
        pace(PACE_OF_KEYS).await;
    }
}

fn tell<T>(to: &UnboundedSender<Look<T>>, asked: i64, seen: T) -> Result<()> {
    let answered = now()?;
    let told = to.send(Look {
        asked,
        answered,
        seen,
    });
    told.ok().context("nobody listens to a witness any more")
}
