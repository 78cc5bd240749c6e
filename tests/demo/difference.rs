//! A difference: the lines that two texts don't share.

/// Removed lines with `-`, added ones with `+`; what is equal before and after them is left out.
pub(crate) fn between(before: &str, after: &str) -> String {
    let before: Vec<&str> = before.lines().collect();
    let after: Vec<&str> = after.lines().collect();
    let shared = before.len().min(after.len());
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| {
        pairs.take_while(|(one, other)| one == other).count()
    };
    let front = same(&mut before.iter().zip(&after));
    let back = same(&mut before.iter().rev().zip(after.iter().rev())).min(shared - front);
    let middle = |lines: &[&str], sign| -> Vec<String> {
        let lines = lines.iter().take(lines.len() - back).skip(front);
        lines
            .map(|line| format!("{sign} {}", line.trim_start()))
            .collect()
    };
    [middle(&before, '-'), middle(&after, '+')]
        .concat()
        .join("\n")
}
