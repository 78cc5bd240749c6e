//! A template: a name with `{name}` and `{namespace}` of the object left open.

/// A checked template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

/// Text that is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTemplate {
    /// A placeholder that nothing fills.
    #[error("\"{{{0}}}\" is no placeholder; use {{name}} or {{namespace}}")]
    Placeholder(String),
    /// A brace without its other half.
    #[error("\"{0}\" has a brace that is not closed")]
    Brace(String),
    /// Nothing at all.
    #[error("must not be empty")]
    Empty,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Name,
    Namespace,
}

impl Template {
    /// Reads a template.
    pub fn try_new(text: &str) -> Result<Self, InvalidTemplate> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (inner, after) = after
                .split_once('}')
                .ok_or_else(|| InvalidTemplate::Brace(text.to_owned()))?;
            parts.push(Part::Text(before.into()));
            parts.push(Part::placeholder(inner)?);
            rest = after;
        }
        if rest.contains('}') {
            return Err(InvalidTemplate::Brace(text.to_owned()));
        }
        parts.push(Part::Text(rest.into()));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        if parts.is_empty() {
            return Err(InvalidTemplate::Empty);
        }
        Ok(Self { parts })
    }

    /// Fills it in.
    pub fn render(&self, namespace: &str, name: &str) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text,
                Part::Name => name,
                Part::Namespace => namespace,
            })
            .collect()
    }
}

impl Part {
    fn placeholder(inner: &str) -> Result<Self, InvalidTemplate> {
        match inner {
            "name" => Ok(Self::Name),
            "namespace" => Ok(Self::Namespace),
            other => Err(InvalidTemplate::Placeholder(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_everything_else_stays() {
        let template = Template::try_new("{namespace}-{name}.svc").unwrap();
        assert_eq!(template.render("shop", "checkout"), "shop-checkout.svc");
    }

    #[test]
    fn an_unknown_placeholder_is_named() {
        let refused = Template::try_new("a-{uid}").unwrap_err();
        assert_eq!(
            refused.to_string(),
            "\"{uid}\" is no placeholder; use {name} or {namespace}"
        );
    }

    #[test]
    fn a_stray_brace_is_refused() {
        assert!(Template::try_new("a-{name").is_err());
        assert!(Template::try_new("a}b").is_err());
        assert_eq!(Template::try_new(""), Err(InvalidTemplate::Empty));
    }
}
