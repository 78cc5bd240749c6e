//! The scope: which names a client may have, and what it is told of the others.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use crate::resource::Resource;
use crate::snapshot::{Answer, Collection, Failure};
use crate::type_url::TypeUrl;

/// The gRPC status code `PERMISSION_DENIED`.
const PERMISSION_DENIED: i32 = 7;

/// Says whether a client may have a name of a type.
type Permits = dyn Fn(&TypeUrl, &str) -> bool + Send + Sync;

/// Which names a client may have; to the others the answer is that there is nothing, or why there is nothing.
///
/// It is about the names that a client asks for, aliases among them; to a wildcard, what is not permitted does not exist.
#[derive(Clone, Default)]
pub struct Scope {
    bounds: Option<Bounds>,
    /// The client understands `resource_errors` (rule 37).
    explains: bool,
}

#[derive(Clone)]
struct Bounds {
    permits: Arc<Permits>,
    remedy: Arc<str>,
}

impl Scope {
    /// All names.
    pub fn everything() -> Self {
        Self::default()
    }

    /// The names that `permits` says; `remedy` tells people what to do about the others.
    ///
    /// It must be a pure function: it is called whenever a stream compares what it sent with what is published.
    pub fn only(
        remedy: &str,
        permits: impl Fn(&TypeUrl, &str) -> bool + Send + Sync + 'static,
    ) -> Self {
        let bounds = Bounds {
            permits: Arc::new(permits),
            remedy: remedy.into(),
        };
        Self {
            bounds: Some(bounds),
            explains: false,
        }
    }

    /// The same for a client that understands `resource_errors` or doesn't.
    #[must_use]
    pub fn explaining(mut self, explains: bool) -> Self {
        self.explains = explains;
        self
    }

    /// Whether the client may have `name`.
    pub fn permits(&self, type_url: &TypeUrl, name: &str) -> bool {
        let bounds = self.bounds.as_ref();
        bounds.is_none_or(|bounds| (bounds.permits)(type_url, name))
    }

    /// The answer to a name that the client may not have; `None` where it may.
    fn denial(&self, type_url: &TypeUrl, name: &str) -> Option<Answer> {
        let bounds = self.bounds.as_ref()?;
        if (bounds.permits)(type_url, name) {
            return None;
        }
        let failure = || Failure {
            code: PERMISSION_DENIED,
            message: format!("this client may not have `{name}`; {}", bounds.remedy),
        };
        Some(if self.explains {
            Answer::Failed(Arc::new(failure()))
        } else {
            Answer::Missing
        })
    }
}

impl Debug for Scope {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self.bounds {
            None => "everything",
            Some(_) => "only some",
        })
    }
}

/// What is published of one type, as far as one client may see it.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) type_url: &'a TypeUrl,
    pub(crate) collection: &'a Collection,
    pub(crate) scope: &'a Scope,
    /// What was removed since this publication may still be in use; `None` if nothing is that was removed.
    pub(crate) in_use_since: Option<u64>,
}

impl<'a> View<'a> {
    /// What a name stands for that the client asked for.
    pub(crate) fn answer(self, name: &str) -> Answer {
        let denial = self.scope.denial(self.type_url, name);
        denial.unwrap_or_else(|| self.collection.answer(name))
    }

    /// What was removed of late under a name that the client asked for, and may still be in use.
    pub(crate) fn retired(self, name: &str) -> Option<&'a Resource> {
        let retired = self.collection.retired(name, self.in_use_since?)?;
        self.scope.permits(self.type_url, name).then_some(retired)
    }

    /// What a name stands for that the client asked for, where what is in use is still there.
    pub(crate) fn answer_or_retired(self, name: &str) -> Answer {
        match self.answer(name) {
            Answer::Missing => self
                .retired(name)
                .cloned()
                .map_or(Answer::Missing, Answer::Resource),
            answer => answer,
        }
    }

    /// What a name stands for that the client sees through its wildcard.
    pub(crate) fn answer_to_wildcard(self, name: &str) -> Answer {
        if self.scope.permits(self.type_url, name) {
            self.collection.answer_to_wildcard(name)
        } else {
            Answer::Missing
        }
    }

    /// Whether a SotW response of the type is complete (rule 16).
    pub(crate) fn is_full_state(self) -> bool {
        self.collection.is_full_state(self.type_url)
    }

    /// What a client goes on with that has it, and to which nobody can say why its name has a failure.
    pub(crate) fn kept(self, name: &str) -> Option<&'a Resource> {
        let kept = self.collection.kept(name)?;
        (!self.scope.explains).then_some(kept)
    }

    /// What is published and permitted.
    pub(crate) fn resources(self) -> impl Iterator<Item = &'a Resource> {
        let published = self.collection.resources();
        published.filter(move |resource| self.scope.permits(self.type_url, resource.name()))
    }

    /// What is published and permitted under `glob` (rule 39).
    pub(crate) fn members(self, glob: &str) -> impl Iterator<Item = &'a Resource> {
        let members = self.collection.members(glob);
        let published = members.filter_map(move |name| self.collection.published(name));
        published.filter(move |resource| self.scope.permits(self.type_url, resource.name()))
    }

    /// Whether the client may see all that is published.
    pub(crate) fn is_whole(self) -> bool {
        self.scope.bounds.is_none()
    }
}
