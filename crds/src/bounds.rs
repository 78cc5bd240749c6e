//! Bounds that several kinds share: patterns and lengths of the names people write.
//!
//! Each pattern is RE2 without look-around, as the API server's regular expressions are.

/// A DNS-1123 subdomain, the form of most object names and of API groups.
pub(crate) const SUBDOMAIN: &str =
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// An API group: a subdomain, or nothing for the core group.
pub(crate) const GROUP: &str =
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$";

/// A DNS-1123 label, the form of the names of API versions.
pub(crate) const LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

/// The longest DNS-1123 subdomain (RFC 1123, section 2.1).
pub(crate) const SUBDOMAIN_LENGTH: u32 = 253;

/// A Kubernetes kind: a DNS-1035 label once lowercased.
pub(crate) const KIND: &str = "^[A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?$";

/// A DNS label, and the name part of a qualified name.
pub(crate) const LABEL_LENGTH: u32 = 63;

/// A qualified name: an optional DNS subdomain and `/`, then a name of at most 63 characters.
pub(crate) const QUALIFIED: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";

/// Subdomain, slash and name.
pub(crate) const QUALIFIED_LENGTH: u32 = SUBDOMAIN_LENGTH + 1 + LABEL_LENGTH;

/// A condition's key: a qualified name, or one that ends in `.*` and stands for several.
pub(crate) const CONDITION_KEY: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?(\.\*)?$";

/// A qualified name and `.*`.
pub(crate) const CONDITION_KEY_LENGTH: u32 = QUALIFIED_LENGTH + 2;

/// A label value, possibly empty.
pub(crate) const LABEL_VALUE: &str = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$";

/// The name of a cluster or a runtime key, where `{namespace}` and `{name}` stand for the object's.
///
/// `|` and `:` appear in the cluster names of common control planes.
pub(crate) const TEMPLATE: &str = r"^([A-Za-z0-9_.:/|~-]|\{namespace\}|\{name\})+$";

/// Like [`TEMPLATE`], with a trailing `*` for "whatever follows".
pub(crate) const TEMPLATE_PREFIX: &str = r"^([A-Za-z0-9_.:/|~-]|\{namespace\}|\{name\})+\*?$";

/// The longest name template; longer than a subdomain, since the placeholders are longer than what they stand for.
pub(crate) const TEMPLATE_LENGTH: u32 = 317;
