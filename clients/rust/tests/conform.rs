//! The suite of the project's tool, `omni conform`, against the echo program.

mod programs;

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use programs::{echo, listening, omni};
use tokio::process::Command;
use tokio::time::timeout;

async fn conform(url: &str) {
    let Some(omni) = omni() else { return };
    let (server, url) = listening(&echo(), &["-l", url], Stdio::null()).await;
    let mut suite = Command::new(omni);
    suite.args(["conform", "-c", &url, "--timeout", "10s"]).kill_on_drop(true).stdin(Stdio::null());
    let output = timeout(Duration::from_secs(150), suite.output()).await.expect("in time").expect("it runs");
    drop(server);
    let report = String::from_utf8_lossy(&output.stdout);
    let summary = report.lines().last().unwrap_or_default();
    // Not by println, which is shown only of tests that fail.
    writeln!(std::io::stdout(), "omni conform -c {url}: {summary}").expect("written");
    let failed: Vec<&str> = report.lines().filter(|line| line.starts_with("failed ")).collect();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && failed.is_empty(), "{}\n{told}", failed.join("\n"));
    let passed = summary.split_once(" passed, 0 failed").and_then(|(count, _)| count.parse().ok());
    assert!(passed.is_some_and(|count: u32| count > 100), "{report}");
}

#[tokio::test]
async fn over_tcp() {
    conform("tcp://127.0.0.1:0").await;
}

#[cfg(feature = "websocket")]
#[tokio::test]
async fn over_websocket() {
    conform("ws://127.0.0.1:0/").await;
}
