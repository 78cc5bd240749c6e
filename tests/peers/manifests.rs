//! The manifests: files of `deploy/` as documents, with what a test needs to differ merged in.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// A file's text, given without its ending.
pub(super) fn text(file: &str) -> Result<String> {
    read(&format!("deploy/{file}.yaml"))
}

/// All documents of a file.
pub(super) fn documents(file: &str) -> Result<Vec<Value>> {
    Ok(serde_saphyr::from_multiple(&text(file)?)?)
}

/// The first document of a file.
pub(super) fn document(file: &str) -> Result<Value> {
    documents(file)?.into_iter().next().context("no document")
}

/// The example in `docs/gates.md` that has these words in it: whatever a YAML block there is.
pub(super) fn of_page(words: &str) -> Result<Value> {
    let page = read("docs/gates.md")?;
    let mut blocks = page.split("```yaml\n").skip(1);
    let block = blocks.find_map(|rest| {
        let block = rest.split("```").next()?;
        block.contains(words).then_some(block)
    });
    let block = block.with_context(|| format!("no example has {words:?}"))?;
    Ok(serde_saphyr::from_str(block)?)
}

fn read(below: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(below);
    fs::read_to_string(path).context(below.to_owned())
}

/// Merges a patch into a document (RFC 7396).
pub(super) fn merge(document: &mut Value, patch: &Value) {
    match (document, patch) {
        (Value::Object(document), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    document.remove(key);
                } else {
                    merge(document.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (document, patch) => *document = patch.clone(),
    }
}
