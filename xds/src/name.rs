//! A name, written in the one way that makes equal names equal texts.

use std::borrow::Cow;

const SCHEME: &str = "xdstp://";

/// `name` with the context parameters of an `xdstp://` URL in order, since their order means nothing (rule 38).
///
/// Any other name is left as it is.
pub(crate) fn canonical(name: &str) -> Cow<'_, str> {
    if !name.starts_with(SCHEME) {
        return Cow::Borrowed(name);
    }
    let (url, fragment) = name
        .split_once('#')
        .map_or((name, None), |(url, fragment)| (url, Some(fragment)));
    let Some((path, query)) = url.split_once('?') else {
        return Cow::Borrowed(name);
    };
    let mut parameters: Vec<&str> = query.split('&').collect();
    parameters.sort_unstable();
    let mut canonical = format!("{path}?{}", parameters.join("&"));
    if let Some(fragment) = fragment {
        canonical.push('#');
        canonical.push_str(fragment);
    }
    Cow::Owned(canonical)
}

/// Whether the canonical `name` is a glob: an `xdstp://` path that ends in `/*` (rule 39).
pub(crate) fn is_glob(name: &str) -> bool {
    split(name).is_some_and(|(_, last, _)| last == "*")
}

/// The glob that the resource of the canonical `name` is a member of: its directory, with its own parameters (rule 39).
pub(crate) fn glob_of(name: &str) -> Option<String> {
    let (folder, last, query) = split(name)?;
    if last.is_empty() || last == "*" {
        return None;
    }
    let glob = format!("{SCHEME}{folder}/*");
    Some(query.map_or_else(|| glob.clone(), |query| format!("{glob}?{query}")))
}

/// What the names of all members of `glob` begin with.
pub(crate) fn prefix_of(glob: &str) -> &str {
    glob.split_once("/*").map_or(glob, |(folder, _)| {
        glob.get(..=folder.len()).unwrap_or(glob)
    })
}

/// Folder, last segment and parameters of an `xdstp://` name, which has an authority and a type before its path.
///
/// A name with directives (`#`) locates a resource and does not name one.
fn split(name: &str) -> Option<(&str, &str, Option<&str>)> {
    let url = name.strip_prefix(SCHEME)?;
    if url.contains('#') {
        return None;
    }
    let (path, query) = url
        .split_once('?')
        .map_or((url, None), |(path, query)| (path, Some(query)));
    let (folder, last) = path.rsplit_once('/')?;
    folder.contains('/').then_some((folder, last, query))
}

#[cfg(test)]
mod tests {
    use super::{canonical, glob_of, is_glob, prefix_of};

    #[test]
    fn rule_38_the_order_of_context_parameters_means_nothing() {
        let name = "xdstp://authority/envoy.config.cluster.v3.Cluster/one?b=2&a=1";
        assert_eq!(
            canonical(name),
            "xdstp://authority/envoy.config.cluster.v3.Cluster/one?a=1&b=2"
        );
        assert_eq!(
            canonical(&format!("{name}#x")),
            "xdstp://authority/envoy.config.cluster.v3.Cluster/one?a=1&b=2#x"
        );
    }

    #[test]
    fn other_names_are_left_alone() {
        for name in [
            "one",
            "one?b=2&a=1",
            "xdstp://authority/type/one",
            "xdstp://authority/type/one#b?d&c",
        ] {
            assert_eq!(canonical(name), name);
        }
    }

    #[test]
    fn rule_39_a_glob_is_a_folder_with_its_parameters() {
        for (name, glob) in [
            ("xdstp://a/t/one", Some("xdstp://a/t/*")),
            ("xdstp:///t/x/one?p=1&q=2", Some("xdstp:///t/x/*?p=1&q=2")),
            ("xdstp://a/t/x/*", None),
            ("xdstp://a/t/x/", None),
            ("xdstp://a/t", None),
            ("xdstp://a/t/x/one#entry=y", None),
            ("a/t/one", None),
        ] {
            assert_eq!(glob_of(name).as_deref(), glob, "{name}");
            assert!(glob.is_none_or(is_glob), "{name}");
        }
        assert!(!is_glob("xdstp://a/t/one") && !is_glob("*") && !is_glob("a/t/*"));
        assert_eq!(prefix_of("xdstp:///t/x/*?p=1"), "xdstp:///t/x/");
    }
}
