//! How another server is reached over HTTP: TLS and credentials, from files that are read again before each use.
//!
//! The file has the form of `http_config` in Prometheus and Alertmanager, with secrets in files of their own.
//! Source: Prometheus, "HTTP configuration".

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use kube::Config;
use serde::Deserialize;
use serde_saphyr::{DefaultMessageFormatter, MessageFormatter as _};

/// A user name and a password. Neither is ever printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    username: String,
    password: String,
}

/// How a server is reached.
#[derive(Clone, Debug, Default)]
pub struct HttpOptions {
    /// The file with the options.
    pub file: Option<PathBuf>,
    /// Credentials from the server's URL.
    pub credentials: Option<Credentials>,
}

/// The options as they are in the files now.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The `Authorization` header.
    pub authorization: Option<HeaderValue>,
    /// What a TLS connection is made with.
    pub tls: Tls,
}

/// What a TLS connection is made with. The content of the files is part of it, so that another certificate
/// makes another value.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tls {
    ca: Option<PathBuf>,
    server_name: Option<String>,
    identity: Option<Identity>,
}

#[derive(Clone, PartialEq, Eq)]
struct Identity {
    cert: PathBuf,
    key: PathBuf,
    content: [Vec<u8>; 2],
}

/// Why the options can't be used. Each variant names the file; none holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// A file can't be read.
    #[error("{}: can't be read; correct its path, or make it readable for fusegate", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// The file is not of the known form.
    #[error("{}: {why}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        why: String,
    },
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    authorization: Option<Authorization>,
    basic_auth: Option<BasicAuth>,
    tls_config: TlsFiles,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Authorization {
    #[serde(default = "bearer")]
    r#type: String,
    credentials_file: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BasicAuth {
    username: String,
    password_file: PathBuf,
}

/// The files that a TLS connection is made with.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsFiles {
    /// The authorities that the server's certificate may come from.
    pub ca_file: Option<PathBuf>,
    /// The client's certificate.
    pub cert_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
    /// Another name to expect in the server's certificate than that of its URL.
    pub server_name: Option<String>,
}

impl HttpOptions {
    /// Reads all files.
    ///
    /// # Errors
    ///
    /// When one can't be read, or the options contradict each other.
    pub fn load(&self) -> Result<Loaded, Unusable> {
        let mut headers: Vec<HeaderValue> =
            self.credentials.iter().map(Credentials::header).collect();
        let Some(path) = &self.file else {
            let authorization = headers.pop();
            let tls = Tls::default();
            return Ok(Loaded { authorization, tls });
        };
        let form = |why: &str| Unusable::Form {
            path: path.clone(),
            why: why.to_owned(),
        };
        let file = File::read(path)?;
        // As in Prometheus, paths are relative to the file that names them.
        let folder = path.parent().unwrap_or(Path::new(""));
        if let Some(authorization) = file.authorization {
            let token = secret(&folder.join(authorization.credentials_file))?;
            let header = header(&format!("{} {token}", authorization.r#type));
            headers.push(header.ok_or_else(|| {
                form("authorization: the type or the secret has characters that no header may have")
            })?);
        }
        if let Some(BasicAuth {
            username,
            password_file,
        }) = file.basic_auth
        {
            let password = secret(&folder.join(password_file))?;
            headers.push(Credentials { username, password }.header());
        }
        if headers.len() > 1 {
            return Err(form(
                "credentials are given more than once; keep one of authorization, basic_auth and those of the URL",
            ));
        }
        if file.tls_config.cert_file.is_some() != file.tls_config.key_file.is_some() {
            return Err(form(
                "tls_config: cert_file and key_file belong together; give both or none",
            ));
        }
        Ok(Loaded {
            authorization: headers.pop(),
            tls: file.tls_config.load(folder)?,
        })
    }
}

impl File {
    fn read(path: &Path) -> Result<Self, Unusable> {
        let text = String::from_utf8_lossy(&read(path)?).into_owned();
        serde_saphyr::from_str(&text).map_err(|error| Unusable::Form {
            path: path.to_owned(),
            why: format!(
                "{}; write authorization, basic_auth and tls_config as for Prometheus, with each secret in a file of its own",
                DefaultMessageFormatter.format_message(error.without_snippet())
            ),
        })
    }
}

impl TlsFiles {
    /// Reads all files, those of relative paths in a folder.
    ///
    /// # Errors
    ///
    /// When one can't be read.
    pub fn load(self, folder: &Path) -> Result<Tls, Unusable> {
        let identity = match self.cert_file.zip(self.key_file) {
            None => None,
            Some((cert, key)) => {
                let (cert, key) = (folder.join(cert), folder.join(key));
                let content = [read(&cert)?, read(&key)?];
                Some(Identity { cert, key, content })
            }
        };
        let ca = self.ca_file.map(|ca| folder.join(ca));
        ca.as_deref().map(read).transpose()?;
        Ok(Tls {
            ca,
            server_name: self.server_name,
            identity,
        })
    }
}

impl Tls {
    /// Whether a server is expected under another name than that of its URL.
    #[must_use]
    pub const fn names_server(&self) -> bool {
        self.server_name.is_some()
    }

    /// A configuration from which connectors to a server are made. It reads a CA file again by itself.
    #[must_use]
    pub fn config(&self, server: &Uri) -> Config {
        let mut config = Config::new(server.clone());
        // Without TLS nothing is verified, and a machine without CA certificates is no obstacle.
        config.accept_invalid_certs = server.scheme_str() == Some("http");
        config.root_cert_file.clone_from(&self.ca);
        config.tls_server_name.clone_from(&self.server_name);
        if let Some(identity) = &self.identity {
            let text = |path: &Path| Some(path.to_string_lossy().into_owned());
            config.auth_info.client_certificate = text(&identity.cert);
            config.auth_info.client_key = text(&identity.key);
        }
        config
    }
}

impl Credentials {
    /// From the user information of a URL: `user:password`, percent-encoded.
    #[must_use]
    pub fn of_url(user_information: &str) -> Self {
        let (username, password) = user_information
            .split_once(':')
            .unwrap_or((user_information, ""));
        let [username, password] = [username, password].map(decoded);
        Self { username, password }
    }

    fn header(&self) -> HeaderValue {
        let Self { username, password } = self;
        let encoded = STANDARD.encode(format!("{username}:{password}"));
        // Base64 is always a valid header.
        header(&format!("Basic {encoded}")).unwrap_or_else(|| HeaderValue::from_static(""))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

fn bearer() -> String {
    "Bearer".to_owned()
}

fn header(text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::try_from(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// The secret in a file, without the line break that editors add.
fn secret(path: &Path) -> Result<String, Unusable> {
    let text = String::from_utf8(read(path)?).map_err(|_| Unusable::Form {
        path: path.to_owned(),
        why: "it is not UTF-8, so it can't be a secret for a header".to_owned(),
    })?;
    Ok(text.trim().to_owned())
}

fn read(path: &Path) -> Result<Vec<u8>, Unusable> {
    fs::read(path).map_err(|source| {
        let path = path.to_owned();
        Unusable::Read { path, source }
    })
}

/// Percent-decoding (RFC 3986, section 2.1); what is not encoded stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
