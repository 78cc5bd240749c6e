//! The URL of another server, and how it is reached.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;

use crate::runtime::http_options::{Credentials, HttpOptions};

/// The URL of a server's own pages, such as `http://alertmanager:9093`, and the options to reach it with.
/// Credentials in the URL are used for basic authentication, and never printed.
#[derive(Clone, Debug)]
pub struct ServerUrl {
    /// The URL without a slash at its end.
    base: String,
    /// The options.
    pub options: HttpOptions,
}

/// A text that is not the URL of a server; without the credentials in it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not the URL of a server; write it as http://host:9090 or https://host/prefix")]
pub struct NoServerUrl(String);

impl ServerUrl {
    /// The same with options from a file.
    #[must_use]
    pub fn with_options_in(mut self, file: Option<PathBuf>) -> Self {
        self.options.file = file;
        self
    }

    /// The URL without a slash at its end.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The address of a path of the server, which begins with a slash.
    #[must_use]
    pub fn at(&self, path: &str) -> Uri {
        // The base was read as a URL before, and our own paths are plain.
        format!("{}{path}", self.base).parse().unwrap_or_default()
    }
}

impl FromStr for ServerUrl {
    type Err = NoServerUrl;

    fn from_str(text: &str) -> Result<Self, NoServerUrl> {
        let (public, credentials) = split(text);
        let wrong = || NoServerUrl(after_credentials(text));
        let base = public.trim_end_matches('/').to_owned();
        let uri: Uri = base.parse().map_err(|_| wrong())?;
        let served = matches!(uri.scheme_str(), Some("http" | "https"));
        // An `@` that is left may end a password that should have been percent-encoded.
        if !served || uri.host().is_none_or(str::is_empty) || base.contains(['?', '#', '@']) {
            return Err(wrong());
        }
        let options = HttpOptions {
            file: None,
            credentials: credentials.map(Credentials::of_url),
        };
        Ok(Self { base, options })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
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
    fn a_path_is_below_the_server_s_pages(#[case] text: &str, #[case] expected: &str) {
        let url: ServerUrl = text.parse().unwrap();
        assert_eq!(url.at("/api/v2/alerts").to_string(), expected);
        assert_eq!(url.options.credentials.is_some(), text.contains("s3cret"));
        assert!(!format!("{url:?}").contains("s3cret"));
    }

    #[rstest]
    #[case("")]
    #[case("alertmanager:9093")]
    #[case("ftp://alertmanager")]
    #[case("http://")]
    #[case("http://a b")]
    #[case("http://host/?x=1")]
    fn what_is_no_url_of_a_server_is_named(#[case] text: &str) {
        let refused = text.parse::<ServerUrl>().unwrap_err().to_string();
        assert!(refused.contains(&format!("\"{text}\"")), "{refused}");
    }

    #[rstest]
    #[case("ftp://me:s3cret@alertmanager")]
    #[case("me:s3cret@alertmanager:9093")]
    #[case("http://me:s3cret@a b")]
    #[case("http://me:s3cret/@host")]
    #[case("http://me/s3cret@host")]
    fn what_is_no_url_is_named_without_its_credentials(#[case] text: &str) {
        let refused = text.parse::<ServerUrl>().unwrap_err().to_string();
        assert!(!refused.contains("s3cret"), "{refused}");
    }
}
