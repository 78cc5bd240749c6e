//! Mending: the patches written into the files.

use std::io::{self, Write};

use crate::cli::lint::{LintFailure, Linted};
use crate::effects::documents::{Document, Wanted};
use crate::lint::fix::fix;

/// Writes what can be mended into the files; answers whether nothing is left.
pub(super) fn mend(linted: &[Linted], out: &mut impl Write) -> Result<bool, LintFailure> {
    let mut clean = true;
    for one in linted {
        let left = mend_one(one, out)?;
        clean &= left == 0;
    }
    Ok(clean)
}

/// Mends one definition; answers how many findings are left.
fn mend_one(one: &Linted, out: &mut impl Write) -> Result<usize, LintFailure> {
    let name = &one.definition.name;
    if one.report.findings.is_empty() {
        writeln!(out, "{name}: nothing to mend")?;
        return Ok(0);
    }
    let wanted = Wanted {
        kind: "CustomResourceDefinition",
        namespace: "",
        name,
    };
    let file = one.definition.file.as_ref();
    let document = file.and_then(|(path, _)| Document::in_file(path, wanted));
    let document = document.ok_or_else(|| LintFailure::NoFile(one.definition.origin.clone()))?;
    let fixed = fix(&one.definition.spec, &one.report);
    let mut object = document.object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.insert("spec".to_owned(), fixed.spec);
    }
    let failed = |error: io::Error| LintFailure::Fix(one.definition.origin.clone(), error);
    document.replace(&object).map_err(failed)?;
    let left = one.report.findings.len() - fixed.mended;
    let how = if left == 0 {
        String::new()
    } else {
        format!(", {left} left for a person")
    };
    writeln!(
        out,
        "{name}: {} mended in {}{how}",
        fixed.mended,
        document.path.display()
    )?;
    Ok(left)
}
