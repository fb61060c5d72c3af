//! Headless Chromium, driven through ChromeDriver.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::ops::Deref;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::Process;
use crate::{PATIENCE, services};

/// A browser with an empty profile of its own. It ends when dropped.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    session: String,
    port: u16,
    // The driver ends before its profile is removed.
    driver: Process,
    profile: TempDir,
}

impl Browser {
    /// Starts one; `None`, having said so, if the machine has none (see [`services::chromium`]).
    pub async fn start() -> Option<Self> {
        let (chromium, driver) = (services::chromium()?, services::chromedriver()?);
        let profile = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(driver);
        command.arg("--port=0").process_group(0);
        // Neither the driver nor the browser has anything to look for outside.
        command.env("HOME", profile.path()).env("no_proxy", "*");
        let mut driver = Process::start("chromedriver", command);
        let port = driver.wait_for_line(PATIENCE, |line| {
            let (_, port) = line.split_once("was started successfully on port ")?;
            port.trim().trim_end_matches('.').parse().ok()
        });
        let port: u16 = port.unwrap_or_else(|| panic!("no driver:\n{}", driver.output()));
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(&chromium, profile.path()))
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap_or_else(|error| panic!("no browser: {error}\n{}", driver.output()));
        let session = client.session_id().await.expect("the driver answers").expect("a session");
        Some(Self { client, session, port, driver, profile })
    }

    /// What the console was told since this was last asked: by scripts, and by the browser itself of
    /// faults, of what a page's policy refused, and of what could not be loaded.
    pub async fn console(&self) -> Vec<String> {
        let said = self.ask("se/log", json!({ "type": "browser" })).await;
        let lines = said.as_array().unwrap_or_else(|| panic!("no log: {said}"));
        lines.iter().map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Sends a command of the Chrome DevTools Protocol, and returns its answer.
    pub async fn cdp(&self, command: &str, params: Value) -> Value {
        let answer =
            self.ask("goog/cdp/execute", json!({ "cmd": command, "params": params })).await;
        assert!(answer.get("error").is_none(), "{command}: {answer}");
        answer
    }

    /// Asks the driver for what only Chromium's has.
    async fn ask(&self, path: &str, body: Value) -> Value {
        let url = format!("http://127.0.0.1:{}/session/{}/{path}", self.port, self.session);
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let asked = client.post(url).json(&body).send().await;
        let mut said: Value = asked.expect("the driver answers").json().await.expect("in JSON");
        said["value"].take()
    }
}

impl Deref for Browser {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

fn capabilities(chromium: &Path, profile: &Path) -> fantoccini::wd::Capabilities {
    let arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--window-size=1280,900",
        "--lang=en-GB",
        "--force-color-profile=srgb",
    ];
    let profile = format!("--user-data-dir={}", profile.join("profile").display());
    let arguments: Vec<&str> = arguments.into_iter().chain([profile.as_str()]).collect();
    let options = BTreeMap::from([
        ("binary".to_owned(), json!(chromium)),
        ("args".to_owned(), json!(arguments)),
    ]);
    let mut capabilities = fantoccini::wd::Capabilities::new();
    capabilities.insert("browserName".to_owned(), json!("chrome"));
    capabilities.insert("goog:chromeOptions".to_owned(), json!(options));
    capabilities.insert("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL" }));
    capabilities
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver starts the browser in a process group of its own, so that ending the driver does
        // not end it: the session has to be ended first. This cannot wait for the runtime, which may be
        // on its way out.
        if end_session(self.port, &self.session).is_err() {
            eprintln!("the browser did not take its leave");
        }
        self.driver.kill();
        end_leftovers(self.profile.path());
    }
}

fn end_session(port: u16, session: &str) -> std::io::Result<()> {
    let mut driver = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    driver.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(
        driver,
        "DELETE /session/{session} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    )?;
    driver.read(&mut [0; 64]).map(|_| ())
}

/// Ends what still runs on this browser's own profile.
fn end_leftovers(profile: &Path) {
    let profile = profile.display().to_string();
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let id = process.file_name().to_string_lossy().into_owned();
        let ours = id.bytes().all(|b| b.is_ascii_digit())
            && std::fs::read_to_string(process.path().join("cmdline"))
                .is_ok_and(|line| line.contains(&profile));
        if ours {
            let _ = Command::new("sh").arg("-c").arg(format!("kill -KILL {id}")).output();
        }
    }
}
