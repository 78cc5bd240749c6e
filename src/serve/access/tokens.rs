//! Tokens: what callers show, by group: a secret, or a name in their certificate. No secret is ever printed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::serve::access::group::Group;

/// The tokens in use, swapped when the files change.
pub type SharedTokens = Arc<ArcSwap<Tokens>>;

/// The shortest token. What is shorter can be guessed.
const SHORTEST: usize = 16;

/// What each group asks for, where it asks for anything: any one of it will do.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tokens(BTreeMap<(Group, Proof), Known>);

/// By what a caller proves that it may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// A token.
    Token,
    /// A name in its certificate.
    Name,
}

/// What is known of a group. Several, so that a new one can be given before the old one is taken away.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Known(Vec<String>);

impl Tokens {
    /// Each file there may be, with what it holds.
    pub fn files() -> impl Iterator<Item = (String, (Group, Proof))> {
        let both = |group: Group| {
            let names = (format!("{}.names", group.name()), (group, Proof::Name));
            [(group.name().to_owned(), (group, Proof::Token)), names]
        };
        Group::GUARDED.into_iter().flat_map(both)
    }

    /// Gives a group what it asks for: one a line, as a file has them.
    ///
    /// # Errors
    ///
    /// When there is none, or a token that can be guessed.
    pub fn give(&mut self, of: (Group, Proof), text: &str) -> Result<(), String> {
        let lines = text.lines().map(str::trim);
        let known: Vec<_> = lines
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect();
        let (_, proof) = of;
        let what = match proof {
            Proof::Token => "token",
            Proof::Name => "name",
        };
        if known.is_empty() {
            return Err(format!("it has no {what}; write one a line"));
        }
        if proof == Proof::Token && known.iter().any(|token| token.len() < SHORTEST) {
            return Err(format!(
                "a token has less than {SHORTEST} characters, and can be guessed; `openssl rand -hex 32` makes one"
            ));
        }
        self.0.insert(of, Known(known));
        Ok(())
    }

    /// What a group asks for, where it does.
    #[must_use]
    pub fn of(&self, of: (Group, Proof)) -> Option<&Known> {
        self.0.get(&of)
    }

    /// Takes what a group asks for from elsewhere.
    pub fn keep(&mut self, of: (Group, Proof), known: Known) {
        self.0.insert(of, known);
    }
}

impl Known {
    pub(super) fn contain(&self, given: &str) -> bool {
        // All are compared, and each to its end, so that the time tells nothing.
        let equal = self.0.iter().map(|known| equal(known, given));
        equal.fold(false, |found, equal| found | equal)
    }
}

fn equal(one: &str, other: &str) -> bool {
    let differ = one.bytes().zip(other.bytes());
    let differ = differ.fold(0, |differ, (one, other)| differ | (one ^ other));
    (differ == 0) & (one.len() == other.len())
}

/// The token that a request carries: as a bearer's, or as the password of anybody.
pub(super) fn given(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    decoded
        .split_once(':')
        .map(|(_, password)| password.to_owned())
}

impl fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.keys()).finish()
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Known(…)")
    }
}
