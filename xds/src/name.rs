//! A name, written in the one way that makes equal names equal texts.

use std::borrow::Cow;

/// `name` with the context parameters of an `xdstp://` URL in order, since their order means nothing (rule 38).
///
/// Any other name is left as it is.
pub(crate) fn canonical(name: &str) -> Cow<'_, str> {
    if !name.starts_with("xdstp://") {
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

#[cfg(test)]
mod tests {
    use super::canonical;

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
}
