//! A hostile writer, and everything that it writes.

use std::{fmt::Write as _, fs, path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    cluster::Access,
    documents::Documents,
    store::{Place, Store},
    world::Shop,
};

/// How many objects the writer has.
pub(super) const OBJECTS: usize = 1_000;
/// How many new keys a write brings.
pub(super) const KEYS: usize = 50;
/// How many writes are under way at once.
const AT_ONCE: usize = 16;

/// What tries to be more than text.
const FORGED: [&str; 6] = [
    "\n{\"time\":\"2026-01-01T00:00:00.000Z\",\"action\":\"Map\",\"verdict\":\"Published\"}\n",
    "\",\"verdict\":\"Published\",\"x\":\"",
    "\u{1b}[2K\u{1b}[1A\u{1b}[31mall is well\u{7}",
    "\u{0}\u{1}\u{8}\r\u{7f}\u{85}",
    "\u{2028}\u{2029}\u{202e}txet\u{feff}",
    "${jndi:ldap://x}%n%s{}\\u000a",
];

/// What one write brings.
#[derive(Clone, Copy, Debug)]
enum Junk {
    /// Keys that nobody has seen before, counted from here.
    Keys(usize),
    /// A value that nests so deep.
    Nest(usize),
    /// A value of so many bytes.
    Text(usize),
    /// Text that forges lines, fields and colors, as keys and as values.
    Forged,
    /// A value that is good.
    Nothing(usize),
}

impl Junk {
    /// A status, as JSON text: some of it nests deeper than a JSON library writes.
    fn status(self) -> String {
        let latency = json!("100ms");
        let conditions = match self {
            Self::Keys(from) => {
                let mut text = format!("{{\"network-latency\":{latency}");
                for key in from..from + KEYS {
                    let _ = write!(
                        text,
                        ",\"6f9619ff-8b86-4d01-b42d-{key:012x}-{}\":{key}",
                        1_732_291_200_000_000 + key
                    );
                }
                text + "}"
            }
            Self::Nest(deep) => format!(
                "{{\"error-rate\":{}1{}}}",
                "{\"value\":[".repeat(deep / 2),
                "]}".repeat(deep / 2)
            ),
            Self::Text(bytes) => json!({"note": "x".repeat(bytes)}).to_string(),
            Self::Forged => {
                let keys = FORGED.iter().map(|text| ((*text).to_owned(), json!(1)));
                let values = FORGED.join(" ");
                let mut map: serde_json::Map<String, Value> = keys.collect();
                map.insert("note".to_owned(), json!(values));
                map.insert("network-latency".to_owned(), json!(FORGED[2]));
                Value::Object(map).to_string()
            }
            Self::Nothing(round) => {
                json!({"network-latency": format!("{}ms", 50 + round % 50)}).to_string()
            }
        };
        format!("{{\"conditions\":{conditions}}}")
    }
}

/// The writer, with rights to its own objects.
#[derive(Clone)]
pub(super) enum Writer {
    Cluster(Box<Access>),
    Folder(Arc<Plot>),
}

/// Where objects are in a directory.
pub(super) struct Plot {
    watched: PathBuf,
    documents: Documents,
}

impl Writer {
    pub(super) fn of(store: &Store, shop: &Shop) -> Result<Self> {
        Ok(match store {
            Store::Folder(folder) => Self::Folder(Arc::new(Plot {
                watched: folder.watched.clone(),
                documents: shop.documents.clone(),
            })),
            Store::Cluster(..) => Self::Cluster(Box::new(store.access()?.clone())),
        })
    }

    pub(super) async fn create(&self, name: &str) -> Result<()> {
        match self {
            Self::Cluster(access) => access.create_raw(&marked(access.documents(), name)).await,
            Self::Folder(plot) => plot.put(name, "{}"),
        }
    }

    /// The same with labels.
    pub(super) async fn create_labeled(&self, name: &str, labels: &Value) -> Result<()> {
        let Self::Cluster(access) = self else {
            bail!("only in a cluster");
        };
        let mut object = access.documents().object(name);
        object["metadata"]["labels"] = labels.clone();
        access.create_raw(&object).await
    }

    async fn write(&self, name: &str, junk: Junk) -> Result<()> {
        let status = junk.status();
        let written = match self {
            Self::Cluster(access) => access.write_raw(name, &status).await,
            Self::Folder(plot) => plot.put(name, &status),
        };
        written.with_context(|| format!("{junk:?} into {name}"))
    }

    pub(super) async fn delete(&self, name: &str) -> Result<()> {
        match self {
            Self::Cluster(access) => access.delete("Storefront", name).await,
            Self::Folder(plot) => Ok(fs::remove_file(plot.path(name))?),
        }
    }

    /// Does something with each of the objects, many at once.
    pub(super) async fn each<F>(
        &self,
        count: usize,
        act: impl Fn(Self, String, usize) -> F,
    ) -> Result<()>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let mut acts = JoinSet::new();
        for index in 0..count {
            if acts.len() >= AT_ONCE
                && let Some(done) = acts.join_next().await
            {
                done??;
            }
            acts.spawn(act(self.clone(), format!("junk-{index}"), index));
        }
        while let Some(done) = acts.join_next().await {
            done??;
        }
        Ok(())
    }
}

/// An object of the writer's.
fn marked(documents: &Documents, name: &str) -> Value {
    let mut object = documents.object(name);
    object["metadata"]["labels"] = json!({"junk": "yes"});
    object
}

impl Plot {
    fn path(&self, name: &str) -> PathBuf {
        self.watched.join(format!("{name}.yaml"))
    }

    fn put(&self, name: &str, status: &str) -> Result<()> {
        let mut object = marked(&self.documents, name).to_string();
        // By hand, since the status may be what no JSON library reads.
        ensure!(object.pop() == Some('}'));
        let text = format!("{object},\"status\":{status}}}\n");
        let next = self.watched.with_file_name(format!("next-{name}"));
        fs::write(&next, text)?;
        Ok(fs::rename(&next, self.path(name))?)
    }
}

/// Everything that a writer can do, with keys counted from here.
pub(super) async fn attack(
    writer: &Writer,
    place: Place,
    from: usize,
    rounds: usize,
) -> Result<()> {
    let huge = if place == Place::Folder {
        3 << 20
    } else {
        1_300_000
    };
    for round in 0..rounds {
        let first = from + round * OBJECTS * KEYS;
        let flood = move |writer: Writer, name: String, index: usize| async move {
            writer.write(&name, Junk::Keys(first + index * KEYS)).await
        };
        writer.each(OBJECTS, flood).await?;
        let odd = move |writer: Writer, name: String, index: usize| async move {
            let junk = match index % 4 {
                0 => Junk::Nest(40 + 2 * round),
                1 => Junk::Nest(900 + 2 * round),
                2 => Junk::Forged,
                _ => Junk::Text(huge + round),
            };
            writer.write(&name, junk).await
        };
        writer.each(32, odd).await?;
        // The same names again and again: each is a new object in a cluster.
        let churn = |writer: Writer, name: String, index: usize| async move {
            let name = format!("churn-{name}");
            writer.create(&name).await?;
            writer.write(&name, Junk::Nothing(index)).await?;
            writer.delete(&name).await
        };
        for _ in 0..3 {
            writer.each(50, churn).await?;
        }
    }
    Ok(())
}
