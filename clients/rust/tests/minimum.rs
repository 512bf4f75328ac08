//! The `rust-version` of Cargo.toml, as far as it shows without a compiler of that
//! age: clippy knows the standard library's part of it.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// `rust-version` as two numbers, 0 if a package says nothing.
fn version(package: &Value) -> (u32, u32) {
    let text = package["rust_version"].as_str().unwrap_or("0.0");
    let mut numbers = text.split('.').map(|number| number.parse().expect("a number"));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn no_dependency_needs_a_newer_rust() {
    let about = output("rustc", &["-vV"]);
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let arguments =
        ["metadata", "--format-version=1", "--all-features", "--offline", "--filter-platform", host];
    let manifest = ["--manifest-path", manifest.to_str().expect("text")];
    let metadata: Value =
        serde_json::from_str(&output(env!("CARGO"), &[&arguments[..], &manifest[..]].concat()))
            .expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let ours = packages.iter().find(|p| p["name"] == "omnistreams").map(version).expect("this package");
    assert!(ours >= (1, 85), "edition 2024 needs 1.85");
    assert!(packages.len() > 10, "{packages:?}");
    for package in packages {
        assert!(version(package) <= ours, "{} {}", package["name"], package["rust_version"]);
    }
}

/// What the language has got since: conditions of several `let`s, in 1.88.
#[test]
fn no_source_needs_a_newer_rust() {
    fn look(folder: &Path) {
        for entry in folder.read_dir().expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                look(&path);
            } else {
                let text = std::fs::read_to_string(&path).expect("text");
                assert!(!text.contains("&& let "), "{}", path.display());
            }
        }
    }
    look(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
}
