//! A line: where in a YAML file the thing is that a JSON pointer names.
//!
//! It reads block style, which is how CRDs are written and generated; of anything else it finds the
//! nearest thing around, since a line is for people to look at.

/// One key or dash of a document, where it stands.
struct Token<'a> {
    line: usize,
    column: usize,
    /// `None` for the dash of a list's item.
    key: Option<&'a str>,
}

/// The lines of a document.
pub(super) struct Lines<'a>(Vec<Token<'a>>);

impl<'a> Lines<'a> {
    /// The lines of a file's document, from 1.
    pub(super) fn of(text: &'a str, document: usize) -> Self {
        let mut number = 1;
        let mut tokens = Vec::new();
        let mut seen = false;
        for (index, line) in text.lines().enumerate() {
            if line.starts_with("---") {
                number += usize::from(seen);
                seen = false;
                continue;
            }
            let content = line.trim_start();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            seen = true;
            if number == document {
                read(index + 1, line.len() - content.len(), content, &mut tokens);
            }
        }
        Self(tokens)
    }

    /// The line of what a pointer names, or of the nearest thing around it.
    pub(super) fn find(&self, pointer: &str) -> Option<usize> {
        let mut line = self.0.first()?.line;
        // The children of the root begin at once, at the first column.
        let (mut at, mut parent) = (0, None);
        for part in pointer.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            let Some(found) = self.child(at, parent, &part) else {
                break;
            };
            let token = self.0.get(found)?;
            line = token.line;
            (at, parent) = (found + 1, Some(token));
        }
        Some(line)
    }

    fn child(&self, from: usize, parent: Option<&Token<'_>>, part: &str) -> Option<usize> {
        let inside = |token: &&Token<'_>| match parent {
            None => true,
            Some(parent) => {
                let dash_beside = parent.key.is_some() && token.key.is_none();
                token.column > parent.column || dash_beside && token.column == parent.column
            }
        };
        let children = self.0.iter().skip(from).take_while(inside);
        let column = self.0.get(from).filter(|token| inside(token))?.column;
        let mut direct = children
            .enumerate()
            .filter(|(_, token)| token.column == column);
        let found = match part.parse::<usize>() {
            Ok(index) => direct.filter(|(_, token)| token.key.is_none()).nth(index),
            Err(_) => direct.find(|(_, token)| token.key == Some(part)),
        };
        found.map(|(offset, _)| from + offset)
    }
}

fn read<'a>(line: usize, column: usize, content: &'a str, tokens: &mut Vec<Token<'a>>) {
    if let Some(rest) = content
        .strip_prefix("- ")
        .or_else(|| (content == "-").then_some(""))
    {
        tokens.push(Token {
            line,
            column,
            key: None,
        });
        let inner = rest.trim_start();
        let column = column + content.len() - inner.len();
        return read(line, column, inner, tokens);
    }
    let key = content
        .split_once(": ")
        .map(|(key, _)| key)
        .or_else(|| content.strip_suffix(':'));
    if let Some(key) = key {
        let key = key.trim().trim_matches(['"', '\'']);
        tokens.push(Token {
            line,
            column,
            key: Some(key),
        });
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const TEXT: &str = "\
# a comment
---
a: 1
---
spec:
  names:
    kind: Foo
  versions:
  - name: v1
    schema:
      \"open/API\":
        description: |-
          versions: none
        type: object
  - name: v2
    served: true
";

    #[rstest]
    #[case("/spec", 5)]
    #[case("/spec/names/kind", 7)]
    #[case("/spec/versions/0", 9)]
    #[case("/spec/versions/0/name", 9)]
    #[case("/spec/versions/0/schema/open~1API/type", 14)]
    #[case("/spec/versions/1/served", 16)]
    #[case("/spec/versions/1/later/on", 15)]
    #[case("/elsewhere", 5)]
    fn what_a_pointer_names_has_a_line(#[case] pointer: &str, #[case] line: usize) {
        assert_eq!(Lines::of(TEXT, 2).find(pointer), Some(line));
    }

    #[test]
    fn a_document_that_is_not_there_has_none() {
        assert_eq!(Lines::of(TEXT, 3).find("/spec"), None);
        assert_eq!(Lines::of("", 1).find("/spec"), None);
    }
}
