//! The README's two programs, which are the examples `caller` and `upper`: with each
//! other, and the first with the project's tool.

mod programs;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use programs::{example, listening, omni};
use tokio::process::Command;
use tokio::time::timeout;

#[test]
fn they_are_in_the_readme() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(here.join("README.md")).expect("a README");
    for name in ["caller", "upper"] {
        let program = std::fs::read_to_string(here.join(format!("examples/{name}.rs"))).expect("an example");
        let (_about, program) = program.split_once("\n\n").expect("a line about it");
        assert!(
            readme.contains(&format!("```rust,no_run\n{program}```\n")),
            "not as examples/{name}.rs has it"
        );
    }
}

async fn call(url: &str) -> String {
    let mut caller = Command::new(example("caller"));
    let output = caller.arg(url).kill_on_drop(true).stderr(Stdio::inherit()).output();
    let output = timeout(Duration::from_secs(20), output).await.expect("in time").expect("it runs");
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test]
async fn one_calls_the_other() {
    let (_upper, url) = listening(&example("upper"), &["tcp://127.0.0.1:0"], Stdio::inherit()).await;
    assert_eq!(call(&url).await, "PULL\nNOT\nPUSH\n");
}

#[tokio::test]
async fn one_calls_omni_echo() {
    let Some(omni) = omni() else { return };
    let (_echo, url) = listening(omni, &["echo", "-l", "tcp://127.0.0.1:0"], Stdio::inherit()).await;
    assert_eq!(call(&url).await, "pull\nnot\npush\n");
}
