//! A browser: a real Chromium without a window, driven by its own `chromedriver` over `WebDriver`.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::Client;
use serde_json::{Value, json};

use super::super::{http, scratch::Scratch};
use super::{
    assets, ports,
    process::{Process, Program},
};

const READY_WITHIN: Duration = Duration::from_mins(1);

/// Chromium ends with the driver that started it, however that ends.
const CHROMIUM: &str = "#!/bin/sh\nexec setpriv --pdeathsig KILL -- chromium \"$@\"\n";

/// How a page is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Screen {
    pub(crate) width: u32,
    pub(crate) dark: bool,
}

/// A running Chromium with one page; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Browser {
    client: Client,
    session: String,
    _process: Process,
    _scratch: Scratch,
}

impl Browser {
    pub(crate) async fn start() -> Result<Self> {
        let scratch = Scratch::new("browser")?;
        let port = ports::free()?;
        let mut process = Process::start(&Program {
            name: "chromedriver",
            path: assets::program("chromedriver")?,
            args: vec![format!("--port={port}")],
            env: vec![("HOME".into(), scratch.path().display().to_string())],
            log: scratch.path().join("chromedriver.log"),
        })?;
        let client = http::client()?;
        let address = format!("http://{}", ports::loopback(port));
        process
            .ready(READY_WITHIN, async || {
                let answer = client.get(format!("{address}/status")).send().await?;
                let status: Value = answer.json().await?;
                ensure!(status["value"]["ready"] == true, "{status}");
                Ok(())
            })
            .await?;
        let profile = scratch.path().join("profile");
        let chromium = scratch.write("chromium", CHROMIUM)?;
        fs::set_permissions(&chromium, Permissions::from_mode(0o755))?;
        // It runs as root where the tests do, and in containers whose shared memory is small.
        let args = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--hide-scrollbars".to_owned(),
            "--no-proxy-server".to_owned(),
            format!("--user-data-dir={}", profile.display()),
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            // A test's own authority is not among those that a browser knows.
            "acceptInsecureCerts": true,
            "goog:chromeOptions": {"args": args, "binary": chromium},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let mut browser = Self {
            client,
            session: format!("{address}/session"),
            _process: process,
            _scratch: scratch,
        };
        let begun = browser.post("", &wanted).await.context("start Chromium")?;
        let id = begun["sessionId"].as_str().context("no session")?;
        browser.session = format!("{}/{id}", browser.session);
        Ok(browser)
    }

    /// Opens an address.
    pub(crate) async fn open(&self, url: &str) -> Result<()> {
        self.post("/url", &json!({ "url": url })).await?;
        Ok(())
    }

    /// What a script that returns something returns.
    pub(crate) async fn run(&self, script: &str) -> Result<Value> {
        let order = json!({"script": script, "args": []});
        self.post("/execute/sync", &order).await
    }

    /// The text that can be read on the page.
    pub(crate) async fn text(&self) -> Result<String> {
        let text = self.run("return document.body.innerText").await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Presses keys one after the other; those without a letter are given as `WebDriver` numbers them.
    pub(crate) async fn press(&self, keys: &str) -> Result<()> {
        let presses = keys.chars().flat_map(|key| {
            ["keyDown", "keyUp"].map(|what| json!({"type": what, "value": key.to_string()}))
        });
        let presses: Vec<Value> = presses.collect();
        let order = json!({"actions": [{"type": "key", "id": "keyboard", "actions": presses}]});
        self.post("/actions", &order).await?;
        Ok(())
    }

    /// Looks at pages so from now on.
    pub(crate) async fn look(&self, screen: Screen) -> Result<()> {
        let metrics = json!({
            "width": screen.width, "height": 900, "deviceScaleFactor": 1, "mobile": screen.width < 600,
        });
        self.develop("Emulation.setDeviceMetricsOverride", &metrics)
            .await?;
        let scheme = if screen.dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.develop("Emulation.setEmulatedMedia", &media).await?;
        Ok(())
    }

    /// Everything that the page reported as an error since the last time, and what its policy forbade.
    pub(crate) async fn errors(&self) -> Result<Vec<String>> {
        let lines = self.post("/se/log", &json!({"type": "browser"})).await?;
        let lines = lines.as_array().cloned().unwrap_or_default();
        let severe = lines.into_iter().filter(|line| line["level"] == "SEVERE");
        Ok(severe.map(|line| line["message"].to_string()).collect())
    }

    /// Keeps a picture of the whole page, as tall as it is.
    pub(crate) async fn keep(&self, folder: &Path, name: &str) -> Result<PathBuf> {
        let size =
            "return [document.documentElement.clientWidth, document.documentElement.scrollHeight]";
        let size = self.run(size).await?;
        let clip = json!({"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1});
        let order = json!({"format": "png", "captureBeyondViewport": true, "clip": clip});
        let picture = self.develop("Page.captureScreenshot", &order).await?;
        let picture = picture["data"].as_str().context("no picture")?;
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{name}.png"));
        fs::write(&path, BASE64_STANDARD.decode(picture)?)?;
        Ok(path)
    }

    /// Gives an order of Chromium's own protocol.
    async fn develop(&self, order: &str, parameters: &Value) -> Result<Value> {
        let order = json!({"cmd": order, "params": parameters});
        self.post("/goog/cdp/execute", &order).await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let answer = self.client.post(format!("{}{path}", self.session));
        let answer = answer.json(body).send().await?;
        let status = answer.status();
        let mut body: Value = answer.json().await?;
        let value = body["value"].take();
        ensure!(status.is_success(), "{path}: {status} {value}");
        Ok(value)
    }
}
