//! sessions.json, and malformed.json once more against a whole session.

mod runner;
mod vectors;

use bytes::Bytes;
use omnistreams::frame::{Frame, Hello};
use runner::Runner;
use serde_json::json;
use vectors::{bytes, encode, known, load, options, rows, text};

#[tokio::test(start_paused = true)]
async fn scripts() {
    let file = load("sessions.json");
    for script in rows(&file, "scripts") {
        known(script, &["name", "rules", "why", "side", "steps"]);
        let name = text(&script["name"]);
        let mut runner = Runner::new(options(&script["side"]));
        for (at, step) in rows(script, "steps").iter().enumerate() {
            println!("{name}: step {at}: {step}"); // shown when one fails
            runner.step(step).await;
        }
        runner.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn malformed_messages_end_the_session() {
    let file = load("malformed.json");
    for row in rows(&file, "messages") {
        println!("{}", row["name"]);
        let mut runner = Runner::new(options(&file["side"]));
        match text(&row["phase"]) {
            "first message" => {}
            "after hello" => runner.send(encode(&[hello()])).await,
            other => panic!("unknown phase {other}"),
        }
        runner.send(bytes(&row["hex"])).await;
        runner.want_error(&json!({"code": row["code"], "rule": row["rule"]})).await;
    }
}

/// All types that have no meaning, one by one.
#[tokio::test(start_paused = true)]
async fn unknown_types_are_errors_and_private_ones_are_not() {
    let file = load("malformed.json");
    for kind in 9..=255u8 {
        let mut runner = Runner::new(options(&file["side"]));
        runner.send(encode(&[hello()])).await;
        runner.send(Bytes::copy_from_slice(&[kind, 0, 0, 0, 1, 0, 0, 0, 1, 7])).await;
        if kind < 128 {
            runner.want_error(&json!({"code": 2, "rule": 0})).await;
        } else {
            runner.step(&json!({"peer": [{"type": "PING", "stream": 0, "payload": "01*8"}]})).await;
            runner
                .step(&json!({"want": [{"type": "HELLO", "stream": 0, "version": 1, "max_item": 16,
                "streams": 4, "items": 4, "bytes": 64, "metadata": ""}]}))
                .await;
            runner.step(&json!({"want": [{"type": "PONG", "stream": 0, "payload": "01*8"}]})).await;
        }
    }
}

fn hello() -> Frame {
    Frame::Hello(Hello { version: 1, max_item: 16, streams: 4, items: 4, bytes: 64, metadata: Bytes::new() })
}
