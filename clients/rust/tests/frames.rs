//! frames.json and malformed.json against the codec.

mod vectors;

use bytes::Bytes;
use omnistreams::Status;
use omnistreams::frame::{Frame, decode};
use vectors::{bytes, encode, frame, known, load, number, rows, text};

/// The frames of a message, and what is wrong with the one after them.
fn decode_all(mut message: Bytes, max_item: u32, mut first: bool) -> (Vec<Frame>, Option<Status>) {
    let mut frames = Vec::new();
    if message.is_empty() {
        return (frames, Some(Status::new(2, "rule 0: empty message")));
    }
    while !message.is_empty() {
        match decode(&mut message, max_item, first) {
            Ok(frame) => frames.push(frame),
            Err(status) => return (frames, Some(status)),
        }
        first = false;
    }
    (frames, None)
}

#[test]
fn frames_decode_and_encode() {
    let file = load("frames.json");
    let max_item = number(&file["max_item"]) as u32;
    for row in rows(&file, "messages") {
        known(row, &["name", "hex", "frames", "decode_only"]);
        let name = text(&row["name"]);
        let want: Vec<Frame> = rows(row, "frames").iter().map(frame).collect();
        let message = bytes(&row["hex"]);
        assert_eq!(decode_all(message.clone(), max_item, false), (want.clone(), None), "{name}");
        if row.get("decode_only").is_none() {
            assert_eq!(encode(&want), message, "{name}");
            assert_eq!(want.iter().map(Frame::size).sum::<usize>(), message.len(), "{name}");
        }
    }
}

#[test]
fn malformed_messages_are_found() {
    let file = load("malformed.json");
    let max_item = number(&file["side"]["max_item"]) as u32;
    for row in rows(&file, "messages") {
        known(row, &["name", "phase", "hex", "code", "rule", "good"]);
        let name = text(&row["name"]);
        let message = bytes(&row["hex"]);
        let first = text(&row["phase"]) == "first message";
        // A message's length and a second HELLO are the engine's to find: see sessions.rs.
        if message.len() > 65_536 {
            continue;
        }
        let (good, fault) = decode_all(message, max_item, first);
        let Some(fault) = fault else {
            assert!(good.iter().any(|frame| matches!(frame, Frame::Hello(_))), "{name}: taken");
            continue;
        };
        assert_eq!(u64::from(fault.code.0), number(&row["code"]), "{name}: {fault}");
        assert_eq!(good.len() as u64, number(&row["good"]), "{name}: {fault}");
        assert!(fault.reason.starts_with("rule "), "{name}");
    }
}

/// L10: whatever comes is a frame or an error, and a frame is the same again.
#[test]
fn random_bytes_do_not_crash() {
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    for _ in 0..20_000 {
        let len = random() % 64;
        let mut message: Vec<u8> = (0..len).map(|_| random()).collect();
        for zero in message.iter_mut().take(8).skip(1) {
            *zero &= 1; // else hardly a length fits
        }
        if let Some(kind) = message.first_mut() {
            *kind %= 10;
        }
        for frame in decode_all(message.into(), 1 << 24, false).0 {
            let again = decode_all(encode(std::slice::from_ref(&frame)), 1 << 24, false);
            let lossy = matches!(&frame, Frame::Fail { .. } | Frame::Close { .. });
            assert!(lossy || again == (vec![frame], None));
        }
    }
}
