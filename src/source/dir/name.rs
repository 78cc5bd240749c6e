//! Object names, checked by the API server's rules.

/// Longest subdomain and longest label of RFC 1123, as Kubernetes counts them.
const LONGEST_SUBDOMAIN: usize = 253;
const LONGEST_LABEL: usize = 63;

/// An object's name.
///
/// # Errors
///
/// What is wrong with it and what it must be.
pub(super) fn check_subdomain(name: &str) -> Result<(), String> {
    let valid = name.len() <= LONGEST_SUBDOMAIN && name.split('.').all(is_label);
    said(
        name,
        valid,
        LONGEST_SUBDOMAIN,
        "labels of lower-case letters, digits and '-', joined by '.'",
    )
}

/// A namespace's name.
///
/// # Errors
///
/// What is wrong with it and what it must be.
pub(super) fn check_label(name: &str) -> Result<(), String> {
    let valid = name.len() <= LONGEST_LABEL && is_label(name);
    said(
        name,
        valid,
        LONGEST_LABEL,
        "lower-case letters, digits and '-', with a letter or digit at both ends",
    )
}

fn said(name: &str, valid: bool, longest: usize, form: &str) -> Result<(), String> {
    if valid {
        return Ok(());
    }
    let shown: String = name.chars().take(64).flat_map(char::escape_debug).collect();
    Err(format!(
        "is \"{shown}\", must be at most {longest} characters: {form}"
    ))
}

fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_kubernetes_takes_and_nothing_else() {
        for good in ["a", "checkout", "storefronts.shop.example.com", "0-0"] {
            assert_eq!(check_subdomain(good), Ok(()));
        }
        for bad in [
            "",
            ".",
            "a..b",
            "-a",
            "a-",
            "A",
            "a/b",
            "../b",
            "a b",
            "a\nb",
            &"a".repeat(254),
        ] {
            assert!(check_subdomain(bad).is_err(), "{bad}");
        }
        assert!(check_label("a.b").is_err());
        assert!(check_label(&"a".repeat(64)).is_err());
        assert!(!check_label("a\nb").unwrap_err().contains('\n'));
    }
}
