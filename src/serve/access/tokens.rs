//! Tokens: what callers show, by group. None is ever printed.

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

/// The tokens of each group that asks for one.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tokens(BTreeMap<Group, Known>);

/// The tokens of a group. Several, so that a new one can be given before the old one is taken away.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Known(Vec<String>);

impl Tokens {
    /// Gives a group its tokens: one a line, as a file has them.
    ///
    /// # Errors
    ///
    /// When there is none, or one that can be guessed.
    pub fn give(&mut self, group: Group, text: &str) -> Result<(), String> {
        let lines = text.lines().map(str::trim);
        let tokens: Vec<_> = lines
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect();
        if tokens.is_empty() {
            return Err("it has no token; write one a line".to_owned());
        }
        if tokens.iter().any(|token| token.len() < SHORTEST) {
            return Err(format!(
                "a token has less than {SHORTEST} characters, and can be guessed; `openssl rand -hex 32` makes one"
            ));
        }
        self.0.insert(group, Known(tokens));
        Ok(())
    }

    /// Those of a group, where it asks for any.
    #[must_use]
    pub fn of(&self, group: Group) -> Option<&Known> {
        self.0.get(&group)
    }

    /// Takes those of a group from elsewhere.
    pub fn keep(&mut self, group: Group, known: Known) {
        self.0.insert(group, known);
    }
}

impl Known {
    pub(super) fn contain(&self, token: &str) -> bool {
        // All are compared, and each to its end, so that the time tells nothing.
        let equal = self.0.iter().map(|known| equal(known, token));
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
        let groups = self.0.keys().map(|group| group.name());
        formatter.debug_list().entries(groups).finish()
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Known(…)")
    }
}
