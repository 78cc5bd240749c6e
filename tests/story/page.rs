//! The page in a real Chromium, through a whole incident: each stage is seen without the page being opened anew.
//!
//! Pictures of all that there is to see are kept in the folder for temporary files of the target.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use rstest::rstest;
use serde_json::json;

use super::{
    acts::short_recovery,
    store::Place,
    world::{Opening, Shop, latency},
};
use crate::support::servers::browser::{Browser, Screen};

const POLICY: &str = "checkout";
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

/// The widths of a desk and of a phone.
const WIDTHS: [u32; 2] = [1_200, 390];

/// What whoever writes a condition may try to have run in a browser.
const HOSTILE: &str =
    "</td><img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>";

/// A shop and somebody who looks at its page.
struct Visit {
    shop: Shop,
    browser: Browser,
    pictures: PathBuf,
}

impl Visit {
    async fn begin(opening: Opening, name: &str) -> Result<Self> {
        let shop = opening.object("front").object("back").open().await?;
        Ok(Self {
            shop,
            browser: Browser::start().await?,
            pictures: Path::new(env!("CARGO_TARGET_TMPDIR"))
                .join("page")
                .join(name),
        })
    }

    async fn open(&self, hash: &str) -> Result<()> {
        let url = self.shop.store.fusegate().url("");
        self.browser.open(&format!("{url}{hash}")).await?;
        let drawn = format!("return document.getElementById('main').dataset.drawn === '{hash}'");
        self.sees(&format!("{hash} drawn"), async || {
            ensure!(self.browser.run(&drawn).await? == true);
            Ok(())
        })
        .await
    }

    async fn sees(&self, what: &str, probe: impl AsyncFnMut() -> Result<()>) -> Result<()> {
        self.shop.wait(what, probe).await
    }

    /// Waits until all of these can be read.
    async fn reads(&self, texts: &[&str]) -> Result<()> {
        self.sees(&format!("{texts:?} on the page"), async || {
            let text = self.browser.text().await?;
            for wanted in texts {
                ensure!(text.contains(wanted), "no {wanted:?} in {text}");
            }
            Ok(())
        })
        .await
    }

    /// How many elements there are.
    async fn count(&self, selector: &str) -> Result<u64> {
        let script = format!("return document.querySelectorAll('{selector}').length");
        self.browser
            .run(&script)
            .await?
            .as_u64()
            .context("no number")
    }

    /// Keeps what there is to see, on a desk and on a phone, by day and by night. Nothing stands out of a phone's width.
    async fn keep(&self, name: &str) -> Result<()> {
        for width in WIDTHS {
            for dark in [false, true] {
                self.browser.look(Screen { width, dark }).await?;
                let fits = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth \
                            && document.querySelectorAll('h1').length === 1 \
                            && [...document.querySelectorAll('[role=img]')].every((each) => each.ariaLabel)";
                self.sees(&format!("{name} to fit {width}"), async || {
                    ensure!(self.browser.run(fits).await? == true);
                    Ok(())
                })
                .await?;
                let scheme = if dark { "dark" } else { "light" };
                self.browser
                    .keep(&self.pictures, &format!("{name}-{width}-{scheme}"))
                    .await?;
            }
        }
        self.browser
            .look(Screen {
                width: WIDTHS[0],
                dark: false,
            })
            .await
    }

    async fn assert_no_errors(&self) -> Result<()> {
        let errors = self.browser.errors().await?;
        ensure!(errors.is_empty(), "{errors:?}");
        Ok(())
    }
}

#[rstest]
#[tokio::test]
async fn an_incident_is_seen_from_its_alert_to_its_recovery() -> Result<()> {
    let opening = Opening::at(Place::Folder).policy(POLICY, short_recovery());
    let visit = Visit::begin(opening, "incident").await?;
    let shop = &visit.shop;

    visit.open("#/").await?;
    visit
        .reads(&["All 2 circuits closed", "1 of 1", "yes: it writes"])
        .await?;
    visit.keep("1-overview-closed").await?;

    let trip = shop.trip(POLICY, "front").await?;
    visit.reads(&["1 Open of 2 circuits", &trip]).await?;
    visit.keep("2-overview-open").await?;

    // What Alertmanager links is what an engineer opens.
    let alert = shop.wait_alert(&trip).await?;
    let link = alert["generatorURL"].as_str().context("no link")?;
    let hash = link
        .find('#')
        .and_then(|at| link.get(at..))
        .context("no page")?;
    ensure!(hash == format!("#/trips/{trip}"), "{link}");
    shop.wait_rolled_back().await?;
    visit.open(hash).await?;
    visit
        .reads(&[
            "network-latency is 320 ms",
            "Bad when above 250 ms",
            "Alert (ordered)",
            "Rollback of the schema (done)",
            "RolledBack",
            "Envoys shed 100 % of ",
            "1 of 1 proxy holds",
            "refuses",
            "Undo either of these",
            "fusegate trip ",
        ])
        .await?;
    ensure!(visit.count("#main .plot > g > .sample.Bad").await? == 3);
    ensure!(visit.count("#main .plot .state.Open").await? == 1);
    visit.keep("3-trip-open").await?;

    keyboard(&visit).await?;

    recovery(&visit).await?;
    other_pages(&visit).await?;
    visit.assert_no_errors().await
}

/// Seen on the page that stays open: the trip's own.
async fn recovery(visit: &Visit) -> Result<()> {
    let shop = &visit.shop;
    shop.mend(POLICY, "front").await?;
    visit
        .reads(&["HalfOpen", "10 % of traffic is admitted"])
        .await?;
    visit.keep("4-trip-half-open").await?;
    for value in ["148ms", "147ms", "146ms", "145ms", "144ms"] {
        shop.write("front", &latency(value)).await?;
        shop.wait("the value to be seen", async || {
            let circuit = shop.circuit(POLICY, "front").await?;
            let seen = circuit["rules"][0]["value"].to_string();
            ensure!(value.starts_with(seen.trim_end_matches(".0")), "{circuit}");
            Ok(())
        })
        .await?;
    }
    shop.wait_closed(POLICY, "front").await?;
    visit.reads(&["It is over.", "It has recovered."]).await?;
    visit.keep("5-trip-closed").await?;
    Ok(())
}

async fn other_pages(visit: &Visit) -> Result<()> {
    let shop = &visit.shop;
    let namespace = &shop.documents.namespace;
    for page in ["circuits", "proxies", "policies", "contracts"] {
        visit.open(&format!("#/{page}")).await?;
        visit.keep(&format!("6-{page}")).await?;
    }
    visit
        .open(&format!("#/contracts/{}", shop.documents.crd_name()))
        .await?;
    visit
        .reads(&["Revision 2", "bad", "from the one before"])
        .await?;
    visit.keep("7-contract").await?;
    visit
        .open(&format!("#/policies/{namespace}/{POLICY}"))
        .await?;
    visit
        .reads(&["A trip takes 3 Bad samples in a row"])
        .await?;
    visit.keep("8-policy").await?;
    Ok(())
}

/// The first key leads past the navigation, and what has the focus keeps it while the page changes.
async fn keyboard(visit: &Visit) -> Result<()> {
    let focused = "return document.activeElement.textContent.trim()";
    let hash = visit.browser.run("return location.hash").await?;
    visit.browser.open("about:blank").await?;
    visit.open(hash.as_str().unwrap_or_default()).await?;
    visit.browser.press(TAB).await?;
    ensure!(visit.browser.run(focused).await? == "Skip to content");
    visit.browser.press(ENTER).await?;
    ensure!(
        visit
            .browser
            .run("return document.activeElement.id")
            .await?
            == "main"
    );
    visit
        .browser
        .run("document.querySelector('#main details summary').focus()")
        .await?;
    visit.browser.press(ENTER).await?;
    visit.shop.report("front", &latency("321ms")).await?;
    visit.reads(&["321 ms"]).await?;
    ensure!(visit.browser.run(focused).await? == "The samples as a table");
    ensure!(visit.count("#main details[open] tbody tr").await? >= 4);
    Ok(())
}

#[rstest]
#[tokio::test]
async fn what_comes_from_outside_is_shown_as_text_and_never_runs() -> Result<()> {
    let judged = json!({"trip": {"when": [{"condition": "note", "notEquals": "well", "missing": "Good"}], "consecutive": 2}});
    let opening = Opening::at(Place::Folder)
        .policy(POLICY, json!({}))
        .policy("notes", judged);
    let visit = Visit::begin(opening, "hostile").await?;
    let shop = &visit.shop;
    for latency in ["101ms", "102ms"] {
        let note = format!("{HOSTILE} at {latency}");
        let values = [("network-latency", json!(latency)), ("note", json!(note))];
        shop.report("front", &values).await?;
    }
    shop.wait_tripped("notes", "front").await?;
    let namespace = &shop.documents.namespace;
    for hash in [
        "#/".to_owned(),
        "#/circuits".to_owned(),
        format!("#/circuits/{namespace}/notes/front"),
    ] {
        visit.open(&hash).await?;
        visit.reads(&["<img src=x onerror="]).await?;
        ensure!(visit.count("#main script, #main img").await? == 0, "{hash}");
        let title = visit.browser.run("return document.title").await?;
        ensure!(
            title
                .as_str()
                .is_some_and(|title| title.ends_with("fusegate")),
            "{title}"
        );
    }
    for hash in [
        "#/trips/<img src=x onerror=alert(1)>",
        "#/circuits/%3Cscript%3E/a/b",
    ] {
        let url = shop.store.fusegate().url(hash);
        visit.browser.open(&url).await?;
        visit.reads(&["Not found"]).await?;
        ensure!(visit.count("#main script, #main img").await? == 0, "{hash}");
    }
    visit.keep("not-found").await
}
