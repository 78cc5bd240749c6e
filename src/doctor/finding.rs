//! A finding: one thing that is wrong, and what to do about it.

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Severity {
    /// Something that fusegate is there for does not work.
    Critical,
    /// Something will not work before long, or works in part.
    Warning,
    /// Nothing needs to be done; it explains what else is seen.
    Note,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, by a name that scripts can go by.
    pub code: &'static str,
    /// Whose it is: a replica, an object, or the installation.
    pub about: String,
    /// What was seen.
    pub message: String,
    /// What to do.
    pub advice: &'static str,
}

impl Finding {
    pub(super) fn new(
        severity: Severity,
        code: &'static str,
        about: &str,
        message: String,
        advice: &'static str,
    ) -> Self {
        Self {
            severity,
            code,
            about: about.to_owned(),
            message,
            advice,
        }
    }
}
