//! The authority: fusegate's own certificates for its webhook, and when each of them is replaced.
//!
//! A certificate is renewed well before it expires, and so is the authority that signs it. A new authority is trusted before it
//! signs anything, and the old one for as long as it is valid, so that whoever still holds yesterday's half goes on.
//! What to do is decided here from what is stored and the time; [`issue`] carries it out, and whoever calls them stores it.

pub mod issue;

use std::collections::BTreeMap;
use std::time::Duration;

use rcgen::KeyPair;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

/// How much a certificate is dated back, for an API server whose clock is behind.
pub const SKEW: Duration = Duration::from_mins(5);

const DAY: Duration = Duration::from_hours(24);

/// How long certificates live.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// An authority.
    pub authority: Duration,
    /// A certificate.
    pub leaf: Duration,
    /// How long before its end each is replaced.
    pub ahead: Duration,
    /// How long a new authority is trusted before it signs: until then every API server and every replica must have heard of it.
    pub settle: Duration,
}

/// Ten years and one; Kubewarden's, which have stood the test of clusters that are forgotten for months.
pub const LIFETIMES: Lifetimes = Lifetimes {
    authority: DAY.saturating_mul(3_650),
    leaf: DAY.saturating_mul(365),
    ahead: DAY.saturating_mul(60),
    settle: Duration::from_mins(15),
};

/// A certificate and its key, as PEM, and when it is valid.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
    /// When it is valid.
    pub validity: Validity,
}

/// From when to when a certificate is valid, in seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first.
    pub from: u64,
    /// The last.
    pub until: u64,
}

/// What is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Material {
    /// The authority that signs.
    pub authority: Pair,
    /// The one that will sign next, and is trusted already.
    pub next: Option<Pair>,
    /// The one that signed before, and is trusted still.
    pub previous: Option<(String, Validity)>,
    /// The server's certificate.
    pub leaf: Pair,
    /// The names that it is for.
    pub names: Vec<String>,
    /// What only the API server is told, so that nobody else can ask.
    pub token: String,
}

/// What to do with what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Keep,
    /// Make an authority and a certificate: there is none, or none that is of use.
    Create,
    /// Sign another certificate.
    RenewLeaf,
    /// Make the next authority and trust it.
    AddNext,
    /// Let the next authority sign.
    Promote,
    /// Trust the previous authority no more.
    DropPrevious,
}

/// What to do now, in seconds since the Unix epoch, with what is stored, so that the certificate is for these names.
#[must_use]
pub fn decide(
    material: Option<&Material>,
    names: &[String],
    now: u64,
    lifetimes: &Lifetimes,
) -> Step {
    let Some(material) = material else {
        return Step::Create;
    };
    let due = |validity: Validity| now.saturating_add(lifetimes.ahead.as_secs()) >= validity.until;
    let authority = material.authority.validity;
    if now >= authority.until {
        return Step::Create;
    }
    let leaf = material.leaf.validity;
    let renewed = until(now, lifetimes.leaf).min(authority.until);
    if material.names != names || due(leaf) && leaf.until < renewed {
        return Step::RenewLeaf;
    }
    match &material.next {
        Some(next) => {
            let trusted = next.validity.from + SKEW.as_secs() + lifetimes.settle.as_secs();
            if now >= trusted {
                return Step::Promote;
            }
        }
        None if due(authority) => return Step::AddNext,
        None => {}
    }
    match material.previous {
        Some((_, validity)) if now >= validity.until => Step::DropPrevious,
        _ => Step::Keep,
    }
}

fn until(now: u64, lifetime: Duration) -> u64 {
    now.saturating_add(lifetime.as_secs())
}

/// The fields of what is stored.
const AUTHORITY: [&str; 2] = ["ca.crt", "ca.key"];
const NEXT: [&str; 2] = ["next-ca.crt", "next-ca.key"];
const PREVIOUS: &str = "previous-ca.crt";
const LEAF: [&str; 2] = ["tls.crt", "tls.key"];
const NAMES: &str = "names";
const TOKEN: &str = "token";

impl Material {
    /// Reads what is stored; `None` where any of it is missing or is no certificate with its key.
    #[must_use]
    pub fn read(fields: &BTreeMap<String, Vec<u8>>) -> Option<Self> {
        let text = |name: &str| {
            let bytes = fields.get(name)?;
            String::from_utf8(bytes.clone()).ok()
        };
        let pair = |[certificate, key]: [&str; 2]| Pair::read(text(certificate)?, text(key)?);
        let next = if fields.contains_key(NEXT[0]) {
            Some(pair(NEXT)?)
        } else {
            None
        };
        let previous = text(PREVIOUS).and_then(|pem| {
            let validity = Validity::of(&pem)?;
            Some((pem, validity))
        });
        Some(Self {
            authority: pair(AUTHORITY)?,
            next,
            previous,
            leaf: pair(LEAF)?,
            names: text(NAMES)?.split(' ').map(str::to_owned).collect(),
            token: text(TOKEN).filter(|token| !token.is_empty())?,
        })
    }

    /// The fields to be stored.
    #[must_use]
    pub fn fields(&self) -> BTreeMap<String, Vec<u8>> {
        let mut fields = BTreeMap::new();
        let mut put = |name: &str, text: &str| {
            fields.insert(name.to_owned(), text.as_bytes().to_vec());
        };
        let pairs = [(AUTHORITY, &self.authority), (LEAF, &self.leaf)];
        for ([certificate, key], pair) in pairs
            .into_iter()
            .chain(self.next.iter().map(|next| (NEXT, next)))
        {
            put(certificate, &pair.certificate);
            put(key, &pair.key);
        }
        if let Some((previous, _)) = &self.previous {
            put(PREVIOUS, previous);
        }
        put(NAMES, &self.names.join(" "));
        put(TOKEN, &self.token);
        fields
    }

    /// Every authority that is trusted, as PEM.
    #[must_use]
    pub fn bundle(&self) -> String {
        let next = self.next.as_ref().map(|next| &next.certificate);
        let previous = self.previous.as_ref().map(|(pem, _)| pem);
        let trusted = [Some(&self.authority.certificate), next, previous];
        trusted.into_iter().flatten().map(String::as_str).collect()
    }
}

impl Pair {
    /// The server's certificate among what is stored.
    #[must_use]
    pub fn stored(fields: &BTreeMap<String, Vec<u8>>) -> Option<Self> {
        let text = |name| String::from_utf8(fields.get(name)?.clone()).ok();
        Self::read(text(LEAF[0])?, text(LEAF[1])?)
    }

    /// Whether a client that calls the server by this name accepts the certificate.
    #[must_use]
    pub fn is_for(&self, name: &str) -> bool {
        let der = CertificateDer::from_pem_slice(self.certificate.as_bytes());
        let Ok(name) = ServerName::try_from(name) else {
            return false;
        };
        der.is_ok_and(|der| {
            let certificate = EndEntityCert::try_from(&der);
            certificate.is_ok_and(|it| it.verify_is_valid_for_subject_name(&name).is_ok())
        })
    }

    fn read(certificate: String, key: String) -> Option<Self> {
        KeyPair::from_pem(&key).ok()?;
        let validity = Validity::of(&certificate)?;
        Some(Self {
            certificate,
            key,
            validity,
        })
    }
}

impl Validity {
    /// The validity of a certificate (RFC 5280, 4.1.2.5).
    ///
    /// It is what webpki says to it at the beginning and at the end of all time: the validity is the first thing that it looks at.
    pub(crate) fn of(pem: &str) -> Option<Self> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
        let certificate = EndEntityCert::try_from(&der).ok()?;
        let said_at = |seconds: u64| {
            let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
            let usage = KeyUsage::server_auth();
            let verified = certificate.verify_for_usage(&[], &[], &[], at, usage, None, None);
            verified.err()
        };
        let webpki::Error::CertNotValidYet { not_before, .. } = said_at(0)? else {
            return None;
        };
        let webpki::Error::CertExpired { not_after, .. } = said_at(u64::MAX)? else {
            return None;
        };
        Some(Self {
            from: not_before.as_secs(),
            until: not_after.as_secs(),
        })
    }
}

#[cfg(test)]
mod tests;
