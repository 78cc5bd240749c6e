//! A path: every `a::b::c` that code names, `use` trees taken apart and `super` resolved.

/// One path and the line it stands in.
#[derive(Debug)]
pub(super) struct Named {
    /// From 1.
    pub(super) line: usize,
    pub(super) path: String,
    /// Whether it is part of a `pub use`.
    pub(super) public: bool,
}

/// All paths of two segments or more, all of `use` items, and the keywords of waiting.
pub(super) fn named(file: &str, code: &str) -> Vec<Named> {
    let mut reader = Reader {
        tokens: tokens(code),
        at: 0,
        module: module_of(file),
        found: Vec::new(),
    };
    reader.read();
    reader.found
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Colons,
    Other(char),
}

/// Where a path stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Code,
    Use,
    PublicUse,
}

impl Place {
    fn of_use(public: bool) -> Self {
        if public { Self::PublicUse } else { Self::Use }
    }
}

struct Reader {
    tokens: Vec<(usize, Token)>,
    at: usize,
    /// The segments of the module that the file is.
    module: Vec<String>,
    found: Vec<Named>,
}

impl Reader {
    fn read(&mut self) {
        let mut public = false;
        while let Some((_, token)) = self.tokens.get(self.at).cloned() {
            match token {
                Token::Word(word) if word == "pub" => public = true,
                Token::Word(word) if word == "use" => {
                    self.at += 1;
                    self.path(&[], Place::of_use(public));
                    continue;
                }
                Token::Word(_) => {
                    self.path(&[], Place::Code);
                    public = false;
                    continue;
                }
                // `pub(crate)` is not public.
                Token::Colons | Token::Other(_) => public = false,
            }
            self.at += 1;
        }
    }

    /// Reads a path, or one branch of a tree, that begins here.
    fn path(&mut self, prefix: &[String], place: Place) {
        let mut segments = prefix.to_vec();
        let line = self.tokens.get(self.at).map_or(0, |(line, _)| *line);
        while let Some((_, token)) = self.tokens.get(self.at).cloned() {
            match token {
                Token::Word(word) => segments.push(word),
                Token::Other('*') if !segments.is_empty() => segments.push("*".into()),
                Token::Other('{') if !segments.is_empty() => {
                    return self.branches(&segments, place);
                }
                _ => break,
            }
            self.at += 1;
            if self.tokens.get(self.at).map(|(_, token)| token) != Some(&Token::Colons) {
                break;
            }
            self.at += 1;
        }
        self.keep(line, &segments, place);
    }

    /// Reads `{a, b::c as d}`.
    fn branches(&mut self, prefix: &[String], place: Place) {
        self.at += 1;
        while let Some((_, token)) = self.tokens.get(self.at) {
            match token {
                Token::Other('}') => {
                    self.at += 1;
                    return;
                }
                Token::Word(word) if word == "as" => self.at += 2,
                Token::Word(_) | Token::Other('*') => self.path(prefix, place),
                _ => self.at += 1,
            }
        }
    }

    fn keep(&mut self, line: usize, segments: &[String], place: Place) {
        if place == Place::Code && segments.len() < 2 && !is_waiting(segments) {
            return;
        }
        let mut resolved = self.module.clone();
        let mut rest = segments;
        match segments.first().map(String::as_str) {
            Some("super" | "self") => {
                while let Some((first, others)) = rest.split_first() {
                    match first.as_str() {
                        "super" => drop(resolved.pop()),
                        "self" => {}
                        _ => break,
                    }
                    rest = others;
                }
            }
            _ => resolved.clear(),
        }
        resolved.extend(rest.iter().filter(|segment| *segment != "self").cloned());
        self.found.push(Named {
            line,
            path: resolved.join("::"),
            public: place == Place::PublicUse,
        });
    }
}

fn is_waiting(segments: &[String]) -> bool {
    matches!(segments, [word] if word == "async" || word == "await")
}

/// `src/serve/gate.rs` is `crate::serve::gate`.
fn module_of(file: &str) -> Vec<String> {
    let inner = file.split_once("src/").map_or(file, |(_, inner)| inner);
    let parts = inner.trim_end_matches(".rs").split('/');
    let parts = parts.filter(|part| !matches!(*part, "lib" | "main" | "mod"));
    std::iter::once("crate")
        .chain(parts)
        .map(String::from)
        .collect()
}

fn tokens(code: &str) -> Vec<(usize, Token)> {
    let mut tokens = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = rest
                .find(|character: char| !is_word(character))
                .unwrap_or(rest.len());
            let (token, length) = match first {
                _ if length > 0 => (Token::Word(rest[..length].into()), length),
                ':' if rest.starts_with("::") => (Token::Colons, 2),
                other => (Token::Other(other), other.len_utf8()),
            };
            tokens.push((index + 1, token));
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}
