//! A case: the contract, the policy and the states of one object of a real kind, with the real fusegate on them.
//!
//! Each folder of `tests/cases` is one. Its CRD lets anything in, as the CRDs of such kinds do, so that what is
//! judged is fusegate's reading and not the API server's.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::place::{Place, Store};
use crate::support::wait::eventually;

/// Every policy of a case trips and recovers within seconds; on two busy cores seconds may be long.
const SOON: Duration = Duration::from_mins(1);

const INPUTS: &str = "tests/cases";

/// One case, as far as it has come.
pub(super) struct Case {
    pub(super) store: Store,
    folder: &'static str,
    contract: String,
    policy: String,
    object: Option<String>,
}

/// One line of the audit log about the object's conditions.
pub(super) struct Line(Value);

impl Case {
    /// Begins with the contract and the policy of a folder.
    pub(super) async fn open(place: Place, folder: &'static str) -> Result<Self> {
        let contract = read(folder, "contract")?;
        let policy = read(folder, "policy")?;
        let documents: Value = serde_saphyr::from_str(&contract)?;
        let group = text(&documents["spec"]["target"]["group"])?;
        let mut store = Store::open(place, group).await?;
        let object = fs::read_dir(Path::new(INPUTS).join(folder))?
            .filter_map(|file| Some(file.ok()?.file_name().to_string_lossy().into_owned()))
            .find(|file| !["contract.yaml", "policy.yaml"].contains(&&**file))
            .context("a case has states")?;
        let state = read(folder, object.trim_end_matches(".yaml"))?;
        store.put("crd", &crd(&documents, &state)?).await?;
        store.put("contract", &contract).await?;
        store.put("policy", &policy).await?;
        let policy: Value = serde_saphyr::from_str(&policy)?;
        let policy = text(&policy["metadata"]["name"])?.to_owned();
        let contract = store.renamed(text(&documents["metadata"]["name"])?);
        Ok(Self {
            store,
            folder,
            contract,
            policy,
            object: None,
        })
    }

    /// The object becomes what a file of the folder says; returns the line that tells so.
    pub(super) async fn becomes(&mut self, state: &str) -> Result<Line> {
        self.becomes_at(state, "").await
    }

    /// The same, with a time in place of each `AT`.
    pub(super) async fn becomes_at(&mut self, state: &str, at: &str) -> Result<Line> {
        let document = read(self.folder, state)?.replace("\"AT\"", &json!(at).to_string());
        let object: Value = serde_saphyr::from_str(&document)?;
        self.object = Some(text(&object["metadata"]["name"])?.to_owned());
        let before = self.map_lines()?.len();
        self.store.put("object", &document).await?;
        let line = eventually("the object to be judged", SOON, async || {
            let line = self.map_lines()?.into_iter().nth(before);
            line.context("no new line about its conditions")
        });
        let line = line.await.with_context(|| self.evidence())?;
        Ok(Line(line))
    }

    /// Waits until the circuit is in this state, and returns it.
    pub(super) async fn gets(&self, state: &str) -> Result<Value> {
        self.wait(state, |circuit| circuit["state"] == state).await
    }

    /// Waits until the circuit is like this, and returns it.
    pub(super) async fn wait(&self, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        let what = format!("the circuit of {} to be {what}", self.folder);
        let waited = eventually(&what, SOON, async || {
            let circuit = self.circuit().await?;
            ensure!(is(&circuit), "{circuit}");
            Ok(circuit)
        });
        waited.await.with_context(|| self.evidence())
    }

    /// The circuit as it is.
    pub(super) async fn circuit(&self) -> Result<Value> {
        let namespace = self.store.namespace();
        let path = format!("v1/circuits?namespace={namespace}&policy={}", self.policy);
        let page = self.store.fusegate().get_json(&path).await?;
        let object = self.object.as_deref().unwrap_or_default();
        let circuits = page["items"].as_array().context("no list")?;
        let found = circuits.iter().find(|circuit| circuit["object"] == object);
        found
            .cloned()
            .with_context(|| format!("no circuit: {page}"))
    }

    /// Watches the circuit for as long as a trip would take several times over.
    pub(super) async fn stays_closed(&self) -> Result<()> {
        let lasting = Duration::from_secs(5);
        crate::support::wait::throughout("the circuit stays Closed", lasting, async || {
            let circuit = self.circuit().await?;
            ensure!(circuit["state"] == "Closed", "{circuit}");
            Ok(())
        })
        .await
        .with_context(|| self.evidence())
    }

    /// Waits until a condition of the contract's or policy's status has this reason, and returns its message.
    pub(super) async fn says(&self, kind: &str, type_: &str, reason: &str) -> Result<String> {
        let what = format!("{kind} to say {reason}");
        let waited = eventually(&what, SOON, async || {
            let status = self.store.status(kind, self.named(kind)).await?;
            let [_, said, message] = condition(&status, type_)?;
            ensure!(said == reason, "{said}: {message}");
            Ok(message)
        });
        waited.await.with_context(|| self.evidence())
    }

    fn named(&self, kind: &str) -> &str {
        match kind {
            "ConditionContract" => &self.contract,
            _ => &self.policy,
        }
    }

    /// The changes of the circuit's state, as the audit log names them.
    pub(super) fn moves(&self) -> Result<Vec<String>> {
        let lines = self.lines()?.into_iter();
        let moves = lines.filter(|line| line["action"] == "Circuit");
        Ok(moves.map(|line| line["reason"].to_string()).collect())
    }

    fn map_lines(&self) -> Result<Vec<Value>> {
        let mut lines = self.lines()?;
        lines.retain(|line| line["action"] == "Map");
        Ok(lines)
    }

    /// The lines about this case, of all that the store's fusegate has written.
    fn lines(&self) -> Result<Vec<Value>> {
        let namespace = format!("/{}/", self.store.namespace());
        let text = fs::read_to_string(self.store.audit()).context("read the audit log")?;
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let ours = whole.lines().filter(|line| line.contains(&namespace));
        let lines = ours.map(|line| serde_json::from_str(line).with_context(|| line.to_owned()));
        lines.collect()
    }

    fn evidence(&self) -> String {
        let lines = self.lines().unwrap_or_default();
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        let log = self.store.fusegate().log_tail();
        format!("case {}\n{}\n{log}", self.folder, lines.join("\n"))
    }
}

impl Line {
    /// Fails if the update broke the contract, or something is noted of it.
    pub(super) fn is_clean(&self) -> Result<()> {
        let reason = self.reason();
        ensure!(self.0["verdict"] != "Rejected", "{}", self.0);
        ensure!(reason.is_empty(), "{}", self.0);
        Ok(())
    }

    /// Fails if the update broke the contract, or these are not noted of it.
    pub(super) fn notes(&self, parts: &[&str]) -> Result<()> {
        ensure!(self.0["verdict"] != "Rejected", "{}", self.0);
        for part in parts {
            ensure!(self.reason().contains(part), "{part} is not in {}", self.0);
        }
        Ok(())
    }

    pub(super) fn reason(&self) -> &str {
        self.0["reason"].as_str().unwrap_or_default()
    }
}

/// What a condition of a status says: its status, reason and message.
pub(super) fn condition(status: &Value, type_: &str) -> Result<[String; 3]> {
    let conditions = status["conditions"].as_array().context("no conditions")?;
    let found = conditions.iter().find(|each| each["type"] == type_);
    let found = found.with_context(|| format!("no {type_}: {status}"))?;
    let field = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
    Ok(["status", "reason", "message"].map(field))
}

/// A CRD that lets anything in, for the kind of a contract in the version of an object.
fn crd(contract: &Value, object: &str) -> Result<String> {
    let object: Value = serde_saphyr::from_str(object)?;
    let target = &contract["spec"]["target"];
    let (group, kind) = (text(&target["group"])?, text(&target["kind"])?);
    let name = text(&contract["metadata"]["name"])?;
    let plural = name.split('.').next().unwrap_or_default();
    let version = text(&object["apiVersion"])?
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": kind.to_lowercase()},
            "versions": [{
                "name": version, "served": true, "storage": true,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": schema},
            }],
        },
    });
    Ok(crd.to_string())
}

fn read(folder: &str, file: &str) -> Result<String> {
    let path = Path::new(INPUTS).join(folder).join(format!("{file}.yaml"));
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("no text: {value}"))
}
