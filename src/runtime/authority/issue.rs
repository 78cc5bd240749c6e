//! Issuing: carries out what was decided of the certificates.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use twox_hash::XxHash3_128;

use crate::runtime::authority::{Lifetimes, Material, Pair, SKEW, Step, Validity, until};

/// The subject of every authority, which two of them share: an issuer is found by its key.
const SUBJECT: &str = "fusegate admission";

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
pub enum Issue {
    /// A key or a certificate.
    #[error("making a certificate for the webhook")]
    Make(#[from] rcgen::Error),
}

/// What is to be stored after a step.
///
/// # Errors
///
/// When a key or a certificate can't be made, which a name that is none can cause.
pub fn carry_out(
    step: Step,
    material: Option<Material>,
    names: &[String],
    now: u64,
    lifetimes: &Lifetimes,
) -> Result<Material, Issue> {
    let Some(mut material) = material.filter(|_| step != Step::Create) else {
        let authority = authority(now, lifetimes)?;
        let leaf = leaf(&authority, names, now, lifetimes)?;
        return Ok(Material {
            authority,
            next: None,
            previous: None,
            leaf,
            names: names.to_vec(),
            token: token()?,
        });
    };
    match step {
        Step::Keep | Step::Create => {}
        Step::RenewLeaf => {
            material.leaf = leaf(&material.authority, names, now, lifetimes)?;
            material.names = names.to_vec();
        }
        Step::AddNext => material.next = Some(authority(now, lifetimes)?),
        Step::Promote => {
            if let Some(next) = material.next.take() {
                let before = std::mem::replace(&mut material.authority, next);
                material.previous = Some((before.certificate, before.validity));
                material.leaf = leaf(&material.authority, names, now, lifetimes)?;
                material.names = names.to_vec();
            }
        }
        Step::DropPrevious => material.previous = None,
    }
    Ok(material)
}

/// 128 bits that nobody can guess: a hash of a key that is thrown away.
fn token() -> Result<String, Issue> {
    let key = KeyPair::generate()?;
    Ok(format!(
        "{:032x}",
        XxHash3_128::oneshot(key.serialized_der())
    ))
}

fn authority(now: u64, lifetimes: &Lifetimes) -> Result<Pair, Issue> {
    let key = KeyPair::generate()?;
    let validity = validity(now, until(now, lifetimes.authority));
    let certificate = authority_params(validity)?.self_signed(&key)?;
    Ok(Pair {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
        validity,
    })
}

fn leaf(
    authority: &Pair,
    names: &[String],
    now: u64,
    lifetimes: &Lifetimes,
) -> Result<Pair, Issue> {
    let validity = validity(
        now,
        until(now, lifetimes.leaf).min(authority.validity.until),
    );
    let mut params = params(names.to_vec(), validity)?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let signer = Issuer::new(
        authority_params(authority.validity)?,
        KeyPair::from_pem(&authority.key)?,
    );
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &signer)?;
    Ok(Pair {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
        validity,
    })
}

fn authority_params(validity: Validity) -> Result<CertificateParams, Issue> {
    let mut params = params(Vec::new(), validity)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(params)
}

fn params(names: Vec<String>, validity: Validity) -> Result<CertificateParams, Issue> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, SUBJECT);
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(validity.from);
    params.not_after = epoch + Duration::from_secs(validity.until);
    Ok(params)
}

fn validity(now: u64, until: u64) -> Validity {
    Validity {
        from: now.saturating_sub(SKEW.as_secs()),
        until,
    }
}
