//! Programs that the tests start: the project's tool, and this library's echo.
#![allow(dead_code)] // each test file uses its part

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command as StdCommand, Stdio};
use std::sync::OnceLock;
use std::time::SystemTime;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The tool: `OMNI_BIN`, or built here, once. `None`: there is no Go to build it with.
pub fn omni() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let build = || {
        if let Some(path) = std::env::var_os("OMNI_BIN") {
            return Some(path.into());
        }
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("omni");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cmd/omni");
        let built =
            StdCommand::new("go").arg("build").arg("-o").arg(&path).arg(".").current_dir(source).status();
        match built {
            Ok(status) => assert!(status.success(), "go build failed"),
            Err(error) => {
                assert!(std::env::var("OMNI_REQUIRE").as_deref() != Ok("all"), "no Go: {error}");
                // Not by eprintln, which is shown only of tests that fail.
                writeln!(std::io::stderr(), "skipped: no Go to build omni with: {error}").expect("written");
                return None;
            }
        }
        Some(path)
    };
    BUILT.get_or_init(build).as_deref()
}

/// This library's echo program.
pub fn echo() -> PathBuf {
    example("echo")
}

/// An example; `cargo test` builds them beside the tests, but not if it is told to
/// build one test only.
pub fn example(name: &str) -> PathBuf {
    let deps = std::env::current_exe().expect("the test's path");
    let path = deps.parent().and_then(Path::parent).expect("target").join("examples").join(name);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = newest(&here.join("src")).max(newest(&here.join("examples")));
    let built = path.metadata().and_then(|file| file.modified()).ok();
    assert!(built >= Some(source), "{} is old: cargo build --all-features --examples", path.display());
    path
}

/// When anything in a folder was changed last.
fn newest(folder: &Path) -> SystemTime {
    let entries = folder.read_dir().expect("a folder").map(|entry| entry.expect("an entry").path());
    let changed = entries.map(|path| match path.is_dir() {
        true => newest(&path),
        false => path.metadata().and_then(|file| file.modified()).expect("a time"),
    });
    changed.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Starts a program that says where it listens, in a line that ends in the URL.
/// What it tells of sessions that fail goes to `complaints`.
pub async fn listening(program: &Path, arguments: &[&str], complaints: Stdio) -> (Child, String) {
    let mut command = Command::new(program);
    command.args(arguments).kill_on_drop(true).stdout(Stdio::piped()).stderr(complaints);
    let mut child = command.spawn().expect("the program starts");
    let mut line = String::new();
    let mut lines = BufReader::new(child.stdout.take().expect("piped"));
    lines.read_line(&mut line).await.expect("a line");
    let url = line
        .split_whitespace()
        .rfind(|word| word.contains(':'))
        .unwrap_or_else(|| panic!("no URL: {line:?}"));
    (child, url.to_owned())
}
