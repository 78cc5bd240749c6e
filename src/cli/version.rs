//! The version: the crate's, with the commit and its date where whoever built the program named them.
//!
//! No build script asks Git, so that a program built from an archive is the same as one built from a checkout.

/// What `fusegate --version` says: `FUSEGATE_VERSION` of the build, which `deploy/image/version.sh` prints.
pub(super) const VERSION: &str = match option_env!("FUSEGATE_VERSION") {
    Some(version) if !version.is_empty() => version,
    _ => env!("CARGO_PKG_VERSION"),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_build_names_is_of_this_version() {
        assert!(VERSION.starts_with(env!("CARGO_PKG_VERSION")), "{VERSION}");
    }
}
