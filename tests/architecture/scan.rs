//! The scan: Rust text with everything blanked that is not code, every line where it was.

/// Blanks comments, strings and characters.
pub(super) fn without_comments_and_texts(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < characters.len() {
        let end = end_of_blank(&characters, at);
        if end == at {
            code.push(characters[at]);
            at += 1;
        } else {
            blank(&mut code, &characters[at..end]);
            at = end;
        }
    }
    code
}

/// Blanks what stands under `#[cfg(test)]`: the item that follows, up to its `;` or closing brace.
pub(super) fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) = rest.find(MARK) {
        let (before, item) = rest.split_at(start);
        let (tested, after) = item.split_at(MARK.len() + end_of_item(&item[MARK.len()..]));
        kept.push_str(before);
        blank(&mut kept, &tested.chars().collect::<Vec<_>>());
        rest = after;
    }
    kept + rest
}

/// Spaces for everything but line ends.
fn blank(code: &mut String, characters: &[char]) {
    code.extend(
        characters
            .iter()
            .map(|&character| if character == '\n' { '\n' } else { ' ' }),
    );
}

/// Where the comment, string or character ends that begins at `at`; `at` when none does.
fn end_of_blank(text: &[char], at: usize) -> usize {
    let next = |offset: usize| text.get(at + offset).copied();
    match (text[at], next(1)) {
        ('/', Some('/')) => end_of_line(text, at),
        ('/', Some('*')) => end_of_block(text, at),
        ('"', _) => end_of_string(text, at),
        ('r', Some('"' | '#')) if !follows_word(text, at) => end_of_raw(text, at),
        ('\'', Some('\\')) => find(text, at + 3, '\''),
        ('\'', Some(_)) if next(2) == Some('\'') => at + 3,
        _ => at,
    }
}

fn follows_word(text: &[char], at: usize) -> bool {
    at > 0 && (text[at - 1].is_alphanumeric() && text[at - 1] != 'b' || text[at - 1] == '_')
}

fn end_of_line(text: &[char], at: usize) -> usize {
    find(text, at, '\n')
        .saturating_sub(1)
        .max(at + 2)
        .min(text.len())
}

/// One past the next such character, or the end.
fn find(text: &[char], from: usize, wanted: char) -> usize {
    let rest = text.iter().skip(from);
    from + rest.take_while(|&&character| character != wanted).count() + 1
}

fn end_of_block(text: &[char], at: usize) -> usize {
    let mut depth = 0;
    let mut here = at;
    while here < text.len() {
        match (text[here], text.get(here + 1)) {
            ('/', Some('*')) => depth += 1,
            ('*', Some('/')) => depth -= 1,
            _ => {
                here += 1;
                continue;
            }
        }
        here += 2;
        if depth == 0 {
            return here;
        }
    }
    text.len()
}

fn end_of_string(text: &[char], at: usize) -> usize {
    let mut here = at + 1;
    while here < text.len() && text[here] != '"' {
        here += if text[here] == '\\' { 2 } else { 1 };
    }
    (here + 1).min(text.len())
}

fn end_of_raw(text: &[char], at: usize) -> usize {
    let hashes = text[at + 1..]
        .iter()
        .take_while(|&&character| character == '#')
        .count();
    let open = at + 1 + hashes;
    if text.get(open) != Some(&'"') {
        return at; // A raw identifier such as `r#continue`.
    }
    let closes = |end: usize| {
        text[end] == '"'
            && text[end + 1..]
                .iter()
                .take(hashes)
                .filter(|&&hash| hash == '#')
                .count()
                == hashes
    };
    (open + 1..text.len())
        .find(|&end| closes(end))
        .map_or(text.len(), |end| end + 1 + hashes)
}

/// How long the item is: to its first `;` outside brackets, or to its closing brace.
fn end_of_item(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, character) in code.char_indices() {
        match character {
            '{' | '(' | '[' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' | ')' | ']' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}
