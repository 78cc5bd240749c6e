//! A question: what a caller asks, as named parameters that every form of the gate shares.
//!
//! A name that is not known is a mistake and never passed over: a misspelled `object` would silently
//! ask about all of them.

use std::collections::BTreeMap;

use axum::extract::Query as UrlQuery;
use axum::extract::rejection::QueryRejection;
use jiff::Timestamp;

use crate::breaker::time::Wall;
use crate::serve::bad_request::BadRequest;
use crate::serve::selector::Selector;
use crate::serve::verdict::{Query, nearest};
use crate::serve::wire;

/// The most objects that are named in one question.
const MOST_OBJECTS: usize = 100;

/// The parameters of a URL.
pub(super) type Decoded = Result<UrlQuery<Vec<(String, String)>>, QueryRejection>;

/// Parameters by name, those that were given empty left out: so an unset argument of a template arrives.
#[derive(Debug, Default)]
pub(super) struct Parameters(BTreeMap<String, String>);

/// What is asked of one policy's circuits, read.
#[derive(Debug, Default)]
pub(super) struct Question {
    objects: Vec<String>,
    selector: Option<Selector>,
    condition: Option<String>,
    since: Option<Wall>,
}

/// The pairs of a query string, or why it can't be read.
pub(super) fn pairs(query: Decoded) -> Result<Vec<(String, String)>, BadRequest> {
    match query {
        Ok(UrlQuery(pairs)) => Ok(pairs),
        Err(rejection) => Err(BadRequest::Encoding(rejection.body_text())),
    }
}

/// The value that a name is given, before anything else is read: a mistake beside it is then reported about the right policy.
pub(super) fn value_of<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let given = pairs.iter().rev();
    let mut given = given.filter(|(key, value)| key == name && !value.is_empty());
    given.next().map(|(_, value)| value.as_str())
}

impl Parameters {
    /// Reads pairs; the later of two with one name wins, so that metadata may follow a URL.
    pub(super) fn read(
        pairs: impl IntoIterator<Item = (String, String)>,
        allowed: &'static [&'static str],
    ) -> Result<Self, BadRequest> {
        let mut parameters = BTreeMap::new();
        for (name, value) in pairs {
            if !allowed.contains(&name.as_str()) {
                return Err(unknown(&name, allowed));
            }
            if !value.is_empty() {
                parameters.insert(name, value);
            }
        }
        Ok(Self(parameters))
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// What remains once everything else has been taken.
    pub(super) fn question(mut self) -> Result<Question, BadRequest> {
        let listed = self.take("objects").unwrap_or_default();
        let listed = listed.split(',').map(str::trim).map(str::to_owned);
        let named = self.take("object").or_else(|| self.take("resource"));
        let objects = listed.filter(|name| !name.is_empty()).chain(named);
        let question = Question {
            objects: objects.collect(),
            selector: self.take("selector").as_deref().map(selector).transpose()?,
            condition: self.take("condition"),
            since: self.take("since").map(|text| since(&text)).transpose()?,
        };
        if question.objects.len() > MOST_OBJECTS {
            return Err(BadRequest::Value {
                name: "objects",
                value: format!("{} names", question.objects.len()),
                remedy: "name at most 100, or give `selector`",
            });
        }
        Ok(question)
    }
}

impl Question {
    /// Asks it of a policy. `names` is where the objects' names are kept meanwhile.
    pub(super) fn of<'a>(
        &'a self,
        namespace: &'a str,
        policy: &'a str,
        names: &'a mut Vec<&'a str>,
    ) -> Query<'a> {
        names.extend(self.objects.iter().map(String::as_str));
        Query {
            namespace,
            policy,
            objects: names,
            selector: self.selector.as_ref(),
            condition: self.condition.as_deref(),
            since: self.since,
        }
    }
}

fn unknown(name: &str, allowed: &'static [&'static str]) -> BadRequest {
    BadRequest::Unknown {
        name: wire::quoted(name),
        meant: nearest(name, allowed.iter()).map_or_else(
            || format!("there are {}", allowed.join(", ")),
            |meant| format!("did you mean `{meant}`?"),
        ),
    }
}

fn selector(text: &str) -> Result<Selector, BadRequest> {
    Selector::parse(text).ok_or_else(|| BadRequest::Value {
        name: "selector",
        value: wire::quoted(text),
        remedy: "give key=value, key!=value, key or !key, separated by commas, and encode it for a URL",
    })
}

/// A moment in RFC 3339. A plus sign that was not encoded for the URL has become a space.
fn since(text: &str) -> Result<Wall, BadRequest> {
    let moment: Result<Timestamp, _> = text.replace(' ', "+").parse();
    let moment = moment.map_err(|_| BadRequest::Value {
        name: "since",
        value: wire::quoted(text),
        remedy: "give a moment in RFC 3339, such as 2026-11-22T14:05:00Z",
    })?;
    Ok(Wall(moment.as_millisecond()))
}
