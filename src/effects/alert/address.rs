//! The address of an Alertmanager, and how it is reached.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;

use crate::runtime::http_options::{Credentials, HttpOptions};

/// The URL of an Alertmanager's own pages, such as `http://alertmanager:9093`, and the options to reach it with.
/// Credentials in the URL are used for basic authentication, and never printed.
#[derive(Clone, Debug)]
pub struct Address {
    pub(super) uri: Uri,
    pub(super) options: HttpOptions,
}

/// A text that is not the URL of a server; without the credentials in it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is not the address of an Alertmanager; write it as http://host:9093 or https://host/prefix"
)]
pub struct NoAddress(String);

impl Address {
    /// The same with options from a file.
    #[must_use]
    pub fn with_options_in(mut self, file: Option<PathBuf>) -> Self {
        self.options.file = file;
        self
    }
}

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let (public, credentials) = split(text);
        let wrong = || NoAddress(after_credentials(text));
        let base = public.trim_end_matches('/');
        let uri: Uri = format!("{base}/api/v2/alerts")
            .parse()
            .map_err(|_| wrong())?;
        let served = matches!(uri.scheme_str(), Some("http" | "https"));
        // An `@` that is left may end a password that should have been percent-encoded.
        if !served || uri.host().is_none_or(str::is_empty) || base.contains(['?', '#', '@']) {
            return Err(wrong());
        }
        let options = HttpOptions {
            file: None,
            credentials: credentials.map(Credentials::of_url),
        };
        Ok(Self { uri, options })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

/// A URL without its user information, and that (RFC 3986, section 3.2.1).
fn split(url: &str) -> (String, Option<&str>) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((user_information, host)) = authority.rsplit_once('@') else {
        return (url.to_owned(), None);
    };
    let after = rest.get(authority.len()..).unwrap_or_default();
    let separator = if scheme.is_empty() { "" } else { "://" };
    (
        format!("{scheme}{separator}{host}{after}"),
        Some(user_information),
    )
}

/// A text without everything that may be credentials.
fn after_credentials(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("http://alertmanager:9093", "http://alertmanager:9093/api/v2/alerts")]
    #[case(
        "https://a.example.com/prefix/",
        "https://a.example.com/prefix/api/v2/alerts"
    )]
    #[case(
        "https://me:s3cret@a.example.com/x",
        "https://a.example.com/x/api/v2/alerts"
    )]
    fn an_address_is_the_one_of_its_pages(#[case] text: &str, #[case] expected: &str) {
        let address: Address = text.parse().unwrap();
        assert_eq!(address.to_string(), expected);
        assert_eq!(
            address.options.credentials.is_some(),
            text.contains("s3cret")
        );
        assert!(!format!("{address:?}").contains("s3cret"));
    }

    #[rstest]
    #[case("")]
    #[case("alertmanager:9093")]
    #[case("ftp://alertmanager")]
    #[case("http://")]
    #[case("http://a b")]
    #[case("http://host/?x=1")]
    fn what_is_no_address_is_named(#[case] text: &str) {
        let refused = text.parse::<Address>().unwrap_err().to_string();
        assert!(refused.contains(&format!("\"{text}\"")), "{refused}");
    }

    #[rstest]
    #[case("ftp://me:s3cret@alertmanager")]
    #[case("me:s3cret@alertmanager:9093")]
    #[case("http://me:s3cret@a b")]
    #[case("http://me:s3cret/@host")]
    #[case("http://me/s3cret@host")]
    fn what_is_no_address_is_named_without_its_credentials(#[case] text: &str) {
        let refused = text.parse::<Address>().unwrap_err().to_string();
        assert!(!refused.contains("s3cret"), "{refused}");
    }
}
