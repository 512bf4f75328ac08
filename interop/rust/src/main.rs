//! The Rust side of the interop matrix; README.md, one folder up, is what all
//! such programs do.
//!
//! ```text
//! omnistreams-interop serve tcp://127.0.0.1:0
//! omnistreams-interop drive tcp://127.0.0.1:1234 [BYTES]
//! ```

mod breaks;
mod handlers;
mod pattern;
mod scenarios;
mod streams;

use std::error::Error;
use std::time::{Duration, Instant};

use bytes::Bytes;
use omnistreams::{Listener, Options, Session, connect};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use scenarios::{Drive, SCENARIOS};

const MAX_METADATA: usize = 16 << 10;
/// Items that each peer lets come ahead of a reader.
const PREFETCH: u32 = 64;
/// The same in bytes.
const WINDOW: u32 = 512 << 10;

/// The metadata of HELLO.
fn greeting(name: &str) -> Bytes {
    format!("{:.<MAX_METADATA$}", format!("interop {name} ")).into()
}

fn options(name: &str) -> Options {
    Options {
        metadata: greeting(name),
        max_item: pattern::MAX_ITEM as u32,
        items: PREFETCH,
        bytes: WINDOW,
        prefetch: PREFETCH,
        window: WINDOW,
        ..Options::default()
    }
}

fn tell(line: &Value) {
    println!("{line}");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", url] => serve(url).await,
        ["drive", url] => drive(url, 1_000_000).await,
        ["drive", url, size] => drive(url, size.parse()?).await,
        _ => Err("usage: omnistreams-interop serve|drive URL".into()),
    }
}

/// Serves whoever connects, until SIGTERM, and tells how each session ended.
async fn serve(url: &str) -> Result<(), Box<dyn Error>> {
    let mut stop = signal(SignalKind::terminate())?;
    let mut listener = Listener::bind(url).await?;
    tell(&json!({ "listening": listener.url() }));
    let (mut sessions, mut ends) = (Vec::new(), JoinSet::new());
    loop {
        let session = tokio::select! {
            _ = stop.recv() => break,
            session = listener.accept(options("serve")) => session?,
        };
        ends.spawn(one_session(session.clone()));
        sessions.push(session);
    }
    drop(listener);
    for session in &sessions {
        session.begin_shutdown("the server stops");
    }
    // What lives comes to its end, for ten seconds at most.
    let all = async { while ends.join_next().await.is_some() {} };
    Ok(tokio::time::timeout(Duration::from_secs(10), all).await?)
}

async fn one_session(session: Session) {
    let peer = session.peer_metadata().await.unwrap_or_default();
    handlers::serve(session.clone()).await;
    let error = session.closed().await.err().map(|e| e.to_string()).unwrap_or_default();
    tell(&json!({ "peer": String::from_utf8_lossy(&peer).trim_end_matches('.'), "error": error }));
}

/// Runs all scenarios against a server, and tells how each went.
async fn drive(url: &str, size: usize) -> Result<(), Box<dyn Error>> {
    for name in SCENARIOS {
        let (mut bytes, mut seconds) = (0, 0.0);
        let outcome = tokio::time::timeout(Duration::from_secs(60), one(url, size, name)).await;
        let error = match outcome {
            Ok(Ok(measured)) => {
                (bytes, seconds) = measured;
                String::new()
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "a minute has passed".into(),
        };
        tell(&json!({
            "name": name, "ok": error.is_empty(), "error": error, "bytes": bytes, "seconds": seconds,
        }));
    }
    Ok(())
}

/// Runs a scenario on a session of its own, which ends in order with it. Returns
/// how many bytes it measured, and its seconds.
async fn one(url: &str, size: usize, name: &str) -> Result<(usize, f64), Box<dyn Error>> {
    let session = connect(url, options(name)).await?;
    tokio::spawn(handlers::serve(session.clone()));
    let drive = Drive { session: session.clone(), size };
    let began = Instant::now();
    let outcome = drive.run(name).await;
    let seconds = began.elapsed().as_secs_f64();
    if outcome.is_ok() && name != "abrupt" {
        session.shutdown("bye").await?;
    }
    session.close(1, "closed");
    Ok((outcome?, seconds))
}
