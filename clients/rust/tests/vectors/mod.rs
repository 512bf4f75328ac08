//! Reads the golden vectors of testdata/vectors; the notation is their README's.

#![allow(dead_code)] // not all of it is used by every test

use std::fs;
use std::path::Path;

use bytes::{Bytes, BytesMut};
use omnistreams::frame::{Frame, Hello, Kind};
use omnistreams::{Code, Options, Status};
use serde_json::Value;

/// One of the three files.
pub fn load(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/vectors").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let value: Value = serde_json::from_str(&text).expect("the vectors are JSON");
    assert_eq!(value["protocol"], 1);
    value
}

pub fn rows<'a>(value: &'a Value, name: &str) -> &'a Vec<Value> {
    let rows = value[name].as_array().unwrap_or_else(|| panic!("no {name}"));
    assert!(!rows.is_empty());
    rows
}

/// Bytes: tokens of hex, with `*` and a count perhaps.
pub fn bytes(value: &Value) -> Bytes {
    let mut out = Vec::new();
    for token in text(value).split_whitespace() {
        let (hex, count) = match token.split_once('*') {
            Some((hex, count)) => (hex, count.parse().expect("a count")),
            None => (token, 1),
        };
        let once: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("two hex digits"))
            .collect();
        out.extend(once.repeat(count));
    }
    out.into()
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

pub fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn small(value: &Value) -> u32 {
    number(value).try_into().expect("32 bits")
}

fn status(value: &Value) -> Status {
    Status::new(Code(small(&value["code"])), text(&value["reason"]))
}

/// A frame that is given in full.
pub fn frame(value: &Value) -> Frame {
    let stream = small(&value["stream"]);
    let payload = || bytes(&value["payload"]);
    let eight = || <[u8; 8]>::try_from(&payload()[..]).expect("8 bytes");
    let (frame, fields): (Frame, &[&str]) = match text(&value["type"]) {
        "HELLO" => (
            Frame::Hello(Hello {
                version: number(&value["version"]).try_into().expect("8 bits"),
                max_item: small(&value["max_item"]),
                streams: small(&value["streams"]),
                items: small(&value["items"]),
                bytes: small(&value["bytes"]),
                metadata: bytes(&value["metadata"]),
            }),
            &["version", "max_item", "streams", "items", "bytes", "metadata"],
        ),
        "OPEN" => {
            let kind = match (number(&value["kind"]), small(&value["answers"])) {
                (0, 0) => Kind::OneWay,
                (1, 0) => Kind::Call,
                (2, call) => Kind::Answer(call),
                other => panic!("kind and answers are {other:?}"),
            };
            let metadata = bytes(&value["metadata"]);
            (Frame::Open { stream, kind, metadata }, &["kind", "answers", "metadata"])
        }
        "DATA" => (Frame::Data { stream, item: bytes(&value["item"]) }, &["item"]),
        "END" => (Frame::End { stream }, &[]),
        "FAIL" => (Frame::Fail { stream, status: status(value) }, &["code", "reason"]),
        "CLOSE" => (Frame::Close { stream, status: status(value) }, &["code", "reason"]),
        "REQUEST" => {
            let (items, bytes) = (number(&value["items"]), number(&value["bytes"]));
            (Frame::Request { stream, items, bytes }, &["items", "bytes"])
        }
        "PING" => (Frame::Ping(eight()), &["payload"]),
        "PONG" => (Frame::Pong(eight()), &["payload"]),
        other => {
            let kind = other.parse().unwrap_or_else(|_| panic!("type {other}"));
            assert!(kind >= 128);
            (Frame::Ignored { kind, stream, payload: payload() }, &["payload"])
        }
    };
    known(value, &[&["type", "stream"], fields].concat());
    frame
}

/// Fails on a field that the runner does not know.
pub fn known(value: &Value, fields: &[&str]) {
    for name in value.as_object().expect("an object").keys() {
        assert!(fields.contains(&name.as_str()), "unknown field {name} in {value}");
    }
}

pub fn encode(frames: &[Frame]) -> Bytes {
    let mut out = BytesMut::new();
    for frame in frames {
        frame.encode(&mut out);
    }
    out.freeze()
}

/// The side under test, as a row describes it: pure pull, no keepalive.
pub fn options(side: &Value) -> Options {
    known(side, &["max_item", "streams", "items", "bytes", "metadata", "own_next"]);
    Options {
        max_item: small(&side["max_item"]),
        streams: small(&side["streams"]),
        items: small(&side["items"]),
        bytes: small(&side["bytes"]),
        metadata: bytes(&side["metadata"]),
        prefetch: 0,
        window: 0,
        keepalive: None,
        first_stream: side.get("own_next").map_or(1, small),
        ..Options::default()
    }
}
