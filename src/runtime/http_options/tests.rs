//! Options as people write them, and what is said of those that can't be used.

use std::path::PathBuf;

use rstest::rstest;
use tempfile::TempDir;

use super::*;

struct Folder(TempDir);

impl Folder {
    fn new(options: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("options.yaml", options);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn options(&self) -> HttpOptions {
        HttpOptions {
            file: Some(self.path("options.yaml")),
            credentials: None,
        }
    }

    fn authorization(&self) -> String {
        let header = self.options().load().unwrap().authorization.unwrap();
        assert!(header.is_sensitive());
        header.to_str().unwrap().to_owned()
    }
}

#[test]
fn a_secret_is_read_again_each_time() {
    let folder = Folder::new("authorization: {credentials_file: token}\n");
    folder.write("token", "first\n");
    assert_eq!(folder.authorization(), "Bearer first");
    folder.write("token", "second");
    assert_eq!(folder.authorization(), "Bearer second");
    folder.write(
        "options.yaml",
        "basic_auth: {username: me, password_file: token}",
    );
    assert_eq!(folder.authorization(), "Basic bWU6c2Vjb25k");
}

#[test]
fn credentials_of_a_url_are_decoded_and_never_printed() {
    let credentials = Credentials::of_url("me%40home:s%3Acret%");
    let options = HttpOptions {
        file: None,
        credentials: Some(credentials.clone()),
    };
    assert!(!format!("{options:?}").contains("cret"), "{options:?}");
    let header = options.load().unwrap().authorization.unwrap();
    let expected = STANDARD.encode("me@home:s:cret%");
    assert_eq!(header.to_str().unwrap(), format!("Basic {expected}"));
}

#[test]
fn another_certificate_is_another_tls() {
    let folder =
        Folder::new("tls_config: {ca_file: ca, cert_file: cert, key_file: key, server_name: a}");
    for name in ["ca", "cert", "key"] {
        folder.write(name, name);
    }
    let load = || folder.options().load().unwrap().tls;
    let first = load();
    assert!(first == load());
    folder.write("cert", "renewed");
    assert!(first != load());
    let config = first.config(&Uri::from_static("https://alertmanager"));
    assert_eq!(config.root_cert_file, Some(folder.path("ca")));
    assert_eq!(config.tls_server_name.as_deref(), Some("a"));
    assert!(!config.accept_invalid_certs);
}

#[rstest]
#[case::a_missing_file("authorization: {credentials_file: none}", "none: can't be read")]
#[case::an_unknown_field("bearer_token: x", "bearer_token")]
#[case::a_secret_inline("basic_auth: {username: a, password: hunter2}", "password")]
#[case::half_a_certificate("tls_config: {cert_file: token}", "give both or none")]
#[case::twice(
    "authorization: {credentials_file: token}\nbasic_auth: {username: a, password_file: token}",
    "more than once"
)]
#[case::no_header("authorization: {credentials_file: lines}", "no header may have")]
fn what_can_not_be_used_is_named(#[case] text: &str, #[case] part: &str) {
    let folder = Folder::new(text);
    folder.write("token", "t");
    folder.write("lines", "a\nb");
    let why = match folder.options().load() {
        Err(unusable) => unusable.to_string(),
        Ok(_) => panic!("{text} was accepted"),
    };
    assert!(why.contains(part), "{why}");
    assert!(!why.contains("hunter2"), "{why}");
}
