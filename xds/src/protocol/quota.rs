//! The quota: how many names a stream has subscribed to, against its limits.

use std::sync::Arc;

use super::limits::{Limits, Refusal};
use crate::snapshot::{InterestChange, Topic};
use crate::type_url::TypeUrl;

/// How much of its limits a stream uses.
#[derive(Debug)]
pub(crate) struct Quota {
    limits: Limits,
    names: usize,
}

impl Quota {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, names: 0 }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Refuses one type more than `types` if that is too many.
    pub(crate) fn check_types(&self, type_url: &TypeUrl, types: usize) -> Result<(), Refusal> {
        if types < self.limits.types {
            return Ok(());
        }
        Err(Refusal::TooManyTypes {
            type_url: type_url.clone(),
            limit: self.limits.types,
        })
    }

    /// Refuses a name that is too long.
    fn check_name(&self, type_url: &TypeUrl, name: &str) -> Result<(), Refusal> {
        if name.len() <= self.limits.name_bytes {
            return Ok(());
        }
        Err(Refusal::NameTooLong {
            type_url: type_url.clone(),
            length: name.len(),
            limit: self.limits.name_bytes,
        })
    }

    /// Refuses too many names in one request, and names that are too long.
    pub(crate) fn check_names(
        &self,
        type_url: &TypeUrl,
        names: &[Arc<str>],
    ) -> Result<(), Refusal> {
        for name in names {
            self.check_name(type_url, name)?;
        }
        self.check_count(type_url, names.len())
    }

    /// Refuses so many names at once, whatever the stream has of them already.
    pub(crate) fn check_count(&self, type_url: &TypeUrl, names: usize) -> Result<(), Refusal> {
        if names <= self.limits.names {
            return Ok(());
        }
        Err(Refusal::TooManyNames {
            type_url: type_url.clone(),
            limit: self.limits.names,
        })
    }

    /// Counts the names that a stream became interested in, or no longer is.
    pub(crate) fn count(
        &mut self,
        type_url: &TypeUrl,
        changes: &[InterestChange],
    ) -> Result<(), Refusal> {
        for change in changes {
            match change {
                InterestChange::Join(Topic::Name(..)) => self.names += 1,
                InterestChange::Leave(Topic::Name(..)) => self.names = self.names.saturating_sub(1),
                _ => {}
            }
        }
        if self.names <= self.limits.names {
            return Ok(());
        }
        Err(Refusal::TooManyNames {
            type_url: type_url.clone(),
            limit: self.limits.names,
        })
    }
}
