//! Denials as replicas tell them to each other: what one remembers to tell, and what another has heard already.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::wire::event::Denied;

/// The most denials of one object that are told at once; of more, the newest.
const MOST_OF_OBJECT: usize = 4;

/// The most that are told at once: with their reasons about 64 kB.
const MOST: usize = 128;

/// The most characters of a reason that are told.
const MOST_REASON: usize = 256;

/// The most replicas that are heard: a `ConfigMap` holds a mebibyte.
const MOST_REPLICAS: usize = 16;

/// How long what a replica told stays, in milliseconds, so that those of replicas that are gone do not add up.
const FORGOTTEN_AFTER: i64 = 3_600_000;

/// What a replica tells: its latest denials, oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Told {
    /// Tells this process from others of the same name.
    pub(super) started: i64,
    /// When it was told last, in Unix milliseconds.
    pub(super) at: i64,
    denied: VecDeque<Numbered>,
    /// How many there ever were.
    count: u64,
    /// How many of these were written down for others.
    #[serde(skip)]
    written: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Numbered {
    number: u64,
    denied: Denied,
}

/// What has been heard, by replica.
#[derive(Debug, Default)]
pub(super) struct Heard {
    replicas: BTreeMap<String, Last>,
}

#[derive(Debug)]
struct Last {
    started: i64,
    number: u64,
    at: i64,
}

impl Told {
    pub(super) fn new(started: i64) -> Self {
        Self {
            started,
            ..Self::default()
        }
    }

    /// Adds a denial; what is too much pushes out older ones. Whether one of those was never told.
    pub(super) fn push(&mut self, denied: &Denied) -> bool {
        let mut denied = denied.clone();
        if denied.reason.chars().count() > MOST_REASON {
            denied.reason = denied.reason.chars().take(MOST_REASON).collect();
        }
        self.count += 1;
        let number = self.count;
        let of_object = self.denied.iter().enumerate();
        let of_object = of_object.filter(|(_, each)| each.denied.uid == denied.uid);
        let of_object: Vec<usize> = of_object.map(|(at, _)| at).collect();
        let pushed_out = match of_object.first() {
            Some(oldest) if of_object.len() >= MOST_OF_OBJECT => self.denied.remove(*oldest),
            _ if self.denied.len() >= MOST => self.denied.pop_front(),
            _ => None,
        };
        self.denied.push_back(Numbered { number, denied });
        pushed_out.is_some_and(|pushed_out| pushed_out.number > self.written)
    }

    /// All of it was written down for others.
    pub(super) fn note_written(&mut self) {
        self.written = self.count;
    }

    /// Whether there is anything to tell.
    pub(super) fn is_empty(&self) -> bool {
        self.denied.is_empty()
    }
}

impl Heard {
    /// What a replica tells for the first time. What was told before this process listened is known by what was written down
    /// of its circuits, and would count twice.
    pub(super) fn take(&mut self, replica: &str, text: &str, begins: bool) -> Vec<Denied> {
        let Ok(told) = serde_json::from_str::<Told>(text) else {
            return Vec::new();
        };
        let known = self
            .replicas
            .get(replica)
            .filter(|last| last.started == told.started);
        if known.is_none()
            && !self.replicas.contains_key(replica)
            && self.replicas.len() >= MOST_REPLICAS
        {
            return Vec::new();
        }
        let after = known.map_or(0, |last| last.number);
        let number = told
            .denied
            .back()
            .map_or(after, |last| last.number.max(after));
        let last = Last {
            started: told.started,
            number,
            at: told.at,
        };
        self.replicas.insert(replica.to_owned(), last);
        if begins {
            return Vec::new();
        }
        let news = told
            .denied
            .into_iter()
            .filter(|each| each.number > after)
            .take(MOST);
        news.map(|each| Denied {
            by: replica.into(),
            ..each.denied
        })
        .collect()
    }

    /// The replicas that have told nothing for so long that what they told may go.
    pub(super) fn forget(&mut self, now: i64) -> Vec<String> {
        let old = self
            .replicas
            .iter()
            .filter(|(_, last)| now.saturating_sub(last.at) > FORGOTTEN_AFTER);
        let old: Vec<String> = old.map(|(replica, _)| replica.clone()).collect();
        for replica in &old {
            self.replicas.remove(replica);
        }
        old
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::event::GroupKind;

    fn denied(uid: &str, content: u64) -> Denied {
        Denied {
            kind: GroupKind::new("shop.example.com", "Storefront"),
            namespace: "shop".into(),
            name: "front".into(),
            uid: uid.into(),
            resource_version: "1".into(),
            content,
            keys: 1,
            reason: "é".repeat(2_000).into(),
            by: "".into(),
        }
    }

    fn contents(heard: &[Denied]) -> Vec<u64> {
        heard.iter().map(|denied| denied.content).collect()
    }

    fn text(told: &Told) -> String {
        serde_json::to_string(told).unwrap()
    }

    #[test]
    fn each_denial_is_heard_once() {
        let (mut told, mut heard) = (Told::new(1), Heard::default());
        told.push(&denied("a", 1));
        told.push(&denied("b", 2));
        assert_eq!(contents(&heard.take("two", &text(&told), false)), [1, 2]);
        assert_eq!(heard.take("two", &text(&told), false), []);
        told.push(&denied("a", 3));
        let news = heard.take("two", &text(&told), false);
        assert_eq!((contents(&news), &*news[0].by), (vec![3], "two"));
    }

    #[test]
    fn what_was_told_before_one_listened_is_not_heard_again() {
        let (mut told, mut heard) = (Told::new(1), Heard::default());
        told.push(&denied("a", 1));
        assert_eq!(heard.take("two", &text(&told), true), []);
        told.push(&denied("a", 2));
        assert_eq!(contents(&heard.take("two", &text(&told), false)), [2]);
    }

    #[test]
    fn a_replica_that_starts_again_counts_from_the_beginning() {
        let mut heard = Heard::default();
        for started in [1, 2] {
            let mut told = Told::new(started);
            told.push(&denied("a", started.unsigned_abs()));
            assert_eq!(
                contents(&heard.take("two", &text(&told), false)),
                [started.unsigned_abs()]
            );
        }
    }

    #[test]
    fn a_flood_of_one_object_pushes_out_no_other_and_fits() {
        let mut told = Told::new(1);
        told.push(&denied("quiet", 7));
        let mut lost = 0;
        for content in 0..1_000 {
            lost += u32::from(told.push(&denied("loud", content)));
        }
        assert_eq!(lost, 996);
        told.note_written();
        assert!(!told.push(&denied("loud", 1_000)), "that was told");
        let mut heard = Heard::default();
        assert_eq!(
            contents(&heard.take("two", &text(&told), false)),
            [7, 997, 998, 999, 1_000]
        );
        for object in 0..1_000 {
            told.push(&denied(&object.to_string(), object));
        }
        assert!(text(&told).len() < 96 * 1_024, "{}", text(&told).len());
    }

    #[test]
    fn replicas_that_are_gone_and_junk_do_not_add_up() {
        let mut heard = Heard::default();
        for replica in 0..1_000 {
            heard.take(&replica.to_string(), &text(&Told::new(1)), false);
        }
        assert_eq!(heard.replicas.len(), MOST_REPLICAS);
        assert_eq!(heard.take("junk", "junk", false), []);
        assert_eq!(heard.forget(FORGOTTEN_AFTER + 1).len(), MOST_REPLICAS);
        assert_eq!(heard.replicas.len(), 0);
    }
}
