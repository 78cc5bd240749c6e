//! The webhook of `fusegate run`: where it listens, and how the API server reaches it.

use std::net::SocketAddr;

use clap::Args;

/// Options of the webhook.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Webhook")]
pub struct Webhook {
    /// Where the API server asks about writes of contracted kinds, over TLS; without it no contract with
    /// `admission: {by: Webhook}` is enforced. Its certificates stand in a Secret of fusegate's own
    /// namespace.
    #[arg(
        id = "webhook_listen",
        long = "webhook-listen",
        env = "FUSEGATE_WEBHOOK_LISTEN",
        value_name = "ADDRESS:PORT"
    )]
    pub listen: Option<SocketAddr>,

    /// The URL at which the API server reaches it, `https://HOST:PORT`, where fusegate runs outside of the cluster.
    /// By default it is the Service `fusegate-webhook` in fusegate's own namespace, at port 443.
    #[arg(
        id = "webhook_url",
        long = "webhook-url",
        env = "FUSEGATE_WEBHOOK_URL",
        requires = "webhook_listen",
        value_parser = url,
        value_name = "URL"
    )]
    pub url: Option<Url>,

    /// A Secret of fusegate's own namespace with the webhook's certificate as `tls.crt`, `tls.key` and `ca.crt`, which
    /// cert-manager or somebody else makes and renews. By default fusegate does so itself, in the Secret `fusegate-webhook`.
    #[arg(
        id = "webhook_secret",
        long = "webhook-secret",
        env = "FUSEGATE_WEBHOOK_SECRET",
        requires = "webhook_listen",
        value_name = "NAME"
    )]
    pub secret: Option<String>,
}

/// An URL with nothing but a host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// The whole, without a slash at its end.
    pub text: String,
    /// The host, without brackets.
    pub host: String,
}

fn url(text: &str) -> Result<Url, String> {
    let refused = || format!("\"{text}\" is no URL of a webhook; write it as https://HOST:PORT");
    let text = text.trim_end_matches('/');
    let parsed: http::Uri = text.parse().map_err(|_| refused())?;
    let plain = parsed.path() == "/" && parsed.query().is_none();
    let host = parsed.host().filter(|host| !host.is_empty() && plain);
    let authority = parsed.authority().map_or("", http::uri::Authority::as_str);
    if parsed.scheme_str() != Some("https") || authority.contains('@') {
        return Err(refused());
    }
    let host = host.ok_or_else(refused)?;
    Ok(Url {
        text: text.to_owned(),
        host: host.trim_matches(['[', ']']).to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://127.0.0.1:9443", "127.0.0.1")]
    #[case("https://[::1]:9443/", "::1")]
    #[case("https://fusegate.example.com", "fusegate.example.com")]
    fn a_host_and_a_port_are_a_url(#[case] text: &str, #[case] host: &str) {
        assert_eq!(url(text).unwrap().host, host);
    }

    #[rstest]
    #[case("http://127.0.0.1:9443")]
    #[case("https://a/b")]
    #[case("https://user@a")]
    #[case("https://")]
    #[case("127.0.0.1:9443")]
    fn anything_else_is_refused_with_what_to_write(#[case] text: &str) {
        assert!(url(text).unwrap_err().contains("https://HOST:PORT"));
    }
}
