//! A tally: what a rollback would do to all objects together, in bounded memory.

use std::fmt;

use crate::revision::judge::{Harm, Kind};

/// The most places that are listed; a schema can forbid thousands.
pub const MOST_PLACES: usize = 32;

/// The longest name of an object and the longest path and detail that are kept, in bytes.
const LONGEST: usize = 200;

/// The counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Objects judged.
    pub objects: u64,
    /// Objects that would be harmed.
    pub harmed: u64,
    /// What would happen where, in the order in which it was found; at most [`MOST_PLACES`].
    pub places: Vec<Toll>,
    /// Harms in other places.
    pub omitted: u64,
}

/// How often the same would happen in the same place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toll {
    /// What, where and why, of the first one.
    pub harm: Harm,
    /// The first object, `namespace/name`.
    pub example: String,
    /// How often.
    pub times: u64,
}

impl Tally {
    /// Counts one object and what would happen to it.
    pub fn add(&mut self, object: &str, harms: Vec<Harm>) {
        self.objects += 1;
        self.harmed += u64::from(!harms.is_empty());
        for harm in harms {
            let same = |toll: &&mut Toll| {
                let known = &toll.harm;
                (known.kind, &known.path, known.keyword) == (harm.kind, &harm.path, harm.keyword)
            };
            if let Some(toll) = self.places.iter_mut().find(same) {
                toll.times += 1;
            } else if self.places.len() < MOST_PLACES {
                self.places.push(Toll {
                    harm: Harm {
                        path: cut(&harm.path),
                        detail: cut(&harm.detail),
                        ..harm
                    },
                    example: cut(object),
                    times: 1,
                });
            } else {
                self.omitted += 1;
            }
        }
    }

    /// The worst that would happen.
    #[must_use]
    pub fn worst(&self) -> Option<Kind> {
        self.places.iter().map(|toll| toll.harm.kind).min()
    }
}

impl Kind {
    /// The CamelCase reason of a rollback that would do this.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Lost => "WouldLoseData",
            Self::NotWritable | Self::NotCreatable => "WouldBeInvalid",
            Self::Defaulted => "WouldSetDefaults",
        }
    }
}

/// One line about one place.
impl fmt::Display for Toll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            harm,
            example,
            times,
        } = self;
        let path = if harm.path.is_empty() {
            "the object as a whole"
        } else {
            &harm.path
        };
        let others = match times - 1 {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        write!(f, "{path}: ")?;
        match harm.kind {
            Kind::Lost => write!(f, "data would be lost")?,
            Kind::Defaulted => write!(f, "a default would be set")?,
            Kind::NotWritable => write!(f, "no write would be accepted")?,
            Kind::NotCreatable => write!(f, "the value could not be written again")?,
        }
        if !harm.keyword.is_empty() {
            write!(f, ", by {} ({})", harm.keyword, harm.detail)?;
        }
        write!(f, ", in {example}{others}")
    }
}

fn cut(text: &str) -> String {
    let mut end = LONGEST.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harm(kind: Kind, path: &str) -> Harm {
        Harm {
            kind,
            path: path.to_owned(),
            keyword: "",
            detail: String::new(),
        }
    }

    #[test]
    fn the_same_harm_in_the_same_place_is_one_line() {
        let mut tally = Tally::default();
        tally.add("shop/a", vec![harm(Kind::NotCreatable, "spec.colour")]);
        tally.add("shop/b", Vec::new());
        for name in ["shop/c", "shop/d"] {
            tally.add(name, vec![harm(Kind::Lost, "spec.size")]);
        }
        assert_eq!((tally.objects, tally.harmed), (4, 3));
        assert_eq!(tally.worst(), Some(Kind::Lost));
        assert_eq!(
            tally.places[1].to_string(),
            "spec.size: data would be lost, in shop/c and 1 more"
        );
    }

    #[test]
    fn a_hundred_thousand_places_take_the_memory_of_a_few() {
        let mut tally = Tally::default();
        for number in 0..100_000 {
            tally.add("a", vec![harm(Kind::Lost, &format!("spec.{number}"))]);
        }
        assert_eq!(tally.places.len(), MOST_PLACES);
        assert_eq!(tally.omitted, 100_000 - MOST_PLACES as u64);
    }
}
