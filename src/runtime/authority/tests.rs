//! What is decided of the certificates, over twenty years of a cluster.

use rstest::rstest;
use rustls_pki_types::TrustAnchor;

use super::issue::carry_out;
use super::*;

const START: u64 = 1_800_000_000;
const HOUR: u64 = 3_600;

fn names() -> Vec<String> {
    vec![
        "fusegate-webhook.fusegate-system.svc".to_owned(),
        "127.0.0.1".to_owned(),
    ]
}

/// Does what is due, at most one thing, as one look does.
fn look(material: Option<Material>, now: u64) -> (Step, Material) {
    let step = decide(material.as_ref(), &names(), now, &LIFETIMES);
    (
        step,
        carry_out(step, material, &names(), now, &LIFETIMES).unwrap(),
    )
}

/// Whether someone who trusts this bundle accepts that certificate.
fn trusts(bundle: &str, leaf: &Pair, now: u64) -> bool {
    let roots: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(bundle.as_bytes())
        .map(Result::unwrap)
        .collect();
    let anchors: Vec<TrustAnchor<'_>> = roots
        .iter()
        .map(|root| webpki::anchor_from_trusted_cert(root).unwrap())
        .collect();
    let der = CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).unwrap();
    let certificate = EndEntityCert::try_from(&der).unwrap();
    let at = UnixTime::since_unix_epoch(Duration::from_secs(now));
    let algorithms = webpki::ALL_VERIFICATION_ALGS;
    let verified = certificate.verify_for_usage(
        algorithms,
        &anchors,
        &[],
        at,
        KeyUsage::server_auth(),
        None,
        None,
    );
    let name = rustls_pki_types::ServerName::try_from("127.0.0.1").unwrap();
    verified.is_ok() && certificate.verify_is_valid_for_subject_name(&name).is_ok()
}

#[test]
fn a_certificate_is_always_trusted_by_yesterdays_bundle_and_by_todays() {
    let (step, mut material) = look(None, START);
    assert_eq!(step, Step::Create);
    let mut steps = Vec::new();
    let mut now = START;
    // Who was told a day ago, and who is told a day late.
    let (mut bundle_before, mut leaf_before) = (material.bundle(), material.leaf.clone());
    while now < START + 20 * 365 * 24 * HOUR {
        now += 24 * HOUR;
        let (step, after) = look(Some(material), now);
        assert!(
            trusts(&bundle_before, &after.leaf, now),
            "{step:?}: the old bundle must do"
        );
        assert!(
            trusts(&after.bundle(), &leaf_before, now),
            "{step:?}: the old certificate must do"
        );
        assert!(trusts(&after.bundle(), &after.leaf, now));
        if step != Step::Keep {
            steps.push(step);
        }
        (bundle_before, leaf_before) = (after.bundle(), after.leaf.clone());
        material = after;
    }
    let count = |step: Step| steps.iter().filter(|each| **each == step).count();
    assert_eq!(
        (
            count(Step::AddNext),
            count(Step::Promote),
            count(Step::DropPrevious)
        ),
        (2, 2, 2)
    );
    assert_eq!(count(Step::Create), 0);
    assert!(count(Step::RenewLeaf) >= 20, "{steps:?}");
}

#[test]
fn what_is_stored_is_read_as_it_was() {
    let (_, material) = look(None, START);
    let next = carry_out(Step::AddNext, Some(material), &names(), START, &LIFETIMES).unwrap();
    let promoted = carry_out(
        Step::Promote,
        Some(next.clone()),
        &names(),
        START,
        &LIFETIMES,
    )
    .unwrap();
    for material in [next, promoted] {
        assert!(Material::read(&material.fields()) == Some(material));
    }
}

#[rstest]
#[case::nothing(&[], &["ca.crt", "ca.key", "tls.crt", "tls.key", "names", "token"])]
#[case::no_key(&["ca.crt", "tls.crt", "tls.key", "names", "token"], &["ca.key"])]
#[case::no_token(&["ca.crt", "ca.key", "tls.crt", "tls.key", "names"], &["token"])]
#[case::half_of_the_next(&["ca.crt", "ca.key", "tls.crt", "tls.key", "names", "token", "next-ca.crt"], &["next-ca.key"])]
fn what_can_not_be_used_is_made_anew(#[case] kept: &[&str], #[case] lost: &[&str]) {
    let (_, material) = look(None, START);
    let material = carry_out(Step::AddNext, Some(material), &names(), START, &LIFETIMES).unwrap();
    let mut fields = material.fields();
    fields.retain(|name, _| kept.contains(&name.as_str()));
    assert!(lost.iter().all(|name| !fields.contains_key(*name)));
    let read = Material::read(&fields);
    assert_eq!(
        decide(read.as_ref(), &names(), START, &LIFETIMES),
        Step::Create
    );
}

#[test]
fn junk_is_no_certificate() {
    let (_, material) = look(None, START);
    let mut fields = material.fields();
    fields.insert("tls.crt".to_owned(), b"junk".to_vec());
    assert!(Material::read(&fields).is_none());
}

#[test]
fn a_certificate_for_other_names_is_replaced_by_the_same_authority() {
    let (_, material) = look(None, START);
    let other = vec!["localhost".to_owned()];
    assert_eq!(
        decide(Some(&material), &other, START, &LIFETIMES),
        Step::RenewLeaf
    );
    let authority = material.authority.certificate.clone();
    let renewed = carry_out(Step::RenewLeaf, Some(material), &other, START, &LIFETIMES).unwrap();
    assert_eq!(renewed.authority.certificate, authority);
    assert_eq!(
        decide(Some(&renewed), &other, START, &LIFETIMES),
        Step::Keep
    );
}

#[test]
fn a_cluster_that_slept_for_years_begins_anew() {
    let (_, material) = look(None, START);
    let later = START + 11 * 365 * 24 * HOUR;
    assert_eq!(
        decide(Some(&material), &names(), later, &LIFETIMES),
        Step::Create
    );
    let asleep_for_two = START + 2 * 365 * 24 * HOUR;
    assert_eq!(
        decide(Some(&material), &names(), asleep_for_two, &LIFETIMES),
        Step::RenewLeaf
    );
}
