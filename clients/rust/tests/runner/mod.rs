//! The runner of testdata/vectors: it plays the peer of one side, and that side's
//! application. Time is virtual, so "idle" is exact.

mod app;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use omnistreams::frame::{Frame, decode};
use omnistreams::transport::{Ending, MemoryReader, MemoryWriter, MessageReader, MessageWriter, pair};
use omnistreams::{Options, Session};
use serde_json::Value;
use tokio::time::timeout;

use crate::vectors::{bytes, encode, frame, known, number, rows, text};
use app::{Handle, Outcome};

const PATIENCE: Duration = Duration::from_secs(5);

pub struct Runner {
    session: Session,
    to_side: MemoryWriter,
    from_side: Option<MemoryReader>,
    /// Frames of a message that were not looked at yet.
    frames: VecDeque<Frame>,
    handles: HashMap<String, Handle>,
    pings: Vec<[u8; 8]>,
    sent_close: bool,
    /// The peer's streams that the side has closed.
    closed: Vec<u32>,
}

impl Runner {
    pub fn new(options: Options) -> Runner {
        let ((reader, writer), (from_side, to_side)) = pair();
        Runner {
            session: Session::new(reader, writer, options),
            to_side,
            from_side: Some(from_side),
            frames: VecDeque::new(),
            handles: HashMap::new(),
            pings: Vec::new(),
            sent_close: false,
            closed: Vec::new(),
        }
    }

    pub async fn step(&mut self, step: &Value) {
        let (key, value) = step.as_object().expect("an object").iter().next().expect("a key");
        let key = ["app", "see"].into_iter().find(|k| step.get(k).is_some()).unwrap_or(key);
        if !["app", "see"].contains(&key) {
            known(step, &[key]);
        }
        match key {
            "peer" => {
                let frames: Vec<Frame> = value.as_array().expect("frames").iter().map(frame).collect();
                for frame in &frames {
                    match frame {
                        Frame::Ping(payload) => self.pings.push(*payload),
                        Frame::Close { stream: 0, .. } => self.sent_close = true,
                        _ => {}
                    }
                }
                self.send(encode(&frames)).await;
            }
            "peer_hex" => self.send(bytes(value)).await,
            "cut" => {
                self.to_side.close(Ending::Normal).await;
                self.from_side = None;
            }
            "want" => {
                for want in rows(step, "want") {
                    self.want(&mut vec![want]).await;
                }
            }
            "want_any" => {
                let mut wants: Vec<&Value> = rows(step, "want_any").iter().collect();
                while !wants.is_empty() {
                    self.want(&mut wants).await;
                }
            }
            "want_error" => self.want_error(value).await,
            "idle" => self.idle().await,
            "closed" => self.closed().await,
            "app" => self.app(step).await,
            "see" => self.see(step).await,
            other => panic!("unknown step {other}"),
        }
    }

    /// The end of the script: the actors must not have panicked.
    pub async fn finish(self) {
        let Runner { session, to_side, from_side, handles, .. } = self;
        drop((session, to_side, from_side));
        for (name, handle) in handles {
            handle.join().await.unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }

    /// The side may have closed the transport already.
    pub async fn send(&mut self, message: Bytes) {
        let _ = self.to_side.send(message).await;
    }

    /// The next frame; `None`: the side has closed the transport.
    async fn receive(&mut self, patience: Duration) -> Result<Option<Frame>, tokio::time::error::Elapsed> {
        while self.frames.is_empty() {
            let reader = self.from_side.as_mut().expect("the script has cut the transport");
            let Some(mut message) = timeout(patience, reader.recv()).await?.expect("memory does not fail")
            else {
                return Ok(None);
            };
            assert!(!message.is_empty() && message.len() <= 65_536);
            while !message.is_empty() {
                self.frames
                    .push_back(decode(&mut message, 1 << 24, false).expect("the side sends good frames"));
            }
        }
        let frame = self.frames.pop_front().expect("one is there");
        if let Frame::Close { stream, .. } = &frame {
            self.closed.push(*stream);
        }
        Ok(Some(frame))
    }

    fn is_ignored(&self, frame: &Frame) -> bool {
        match frame {
            Frame::Ping(_) | Frame::Ignored { .. } => true,
            Frame::Request { stream, .. } => !self.closed.contains(stream),
            Frame::Pong(payload) => self.pings.contains(payload),
            Frame::Close { stream: 0, .. } => self.sent_close,
            _ => false,
        }
    }

    /// One of these comes next, and is taken off the list.
    async fn want(&mut self, wants: &mut Vec<&Value>) {
        loop {
            let frame = self.receive(PATIENCE).await.unwrap_or_else(|_| panic!("nothing came: {wants:?}"));
            let frame = frame.unwrap_or_else(|| panic!("closed instead of {wants:?}"));
            if let Some(at) = wants.iter().position(|want| matches(want, &frame)) {
                wants.remove(at);
                return;
            }
            assert!(self.is_ignored(&frame), "{frame:?} instead of {wants:?}");
        }
    }

    pub async fn want_error(&mut self, want: &Value) {
        known(want, &["code", "rule"]);
        loop {
            let frame = self.receive(PATIENCE).await.expect("an error should come");
            if let Frame::Fail { stream: 0, status } = frame.expect("closed without an error") {
                assert_eq!(u64::from(status.code.0), number(&want["code"]), "{status}");
                assert!(!status.reason.is_empty());
                break;
            }
        }
        let after = self.receive(Duration::from_secs(2)).await.expect("it should close in time");
        assert_eq!(after, None, "a frame after FAIL on 0");
    }

    async fn idle(&mut self) {
        while let Ok(frame) = self.receive(Duration::from_millis(50)).await {
            let frame = frame.expect("the side has closed the transport");
            assert!(self.is_ignored(&frame), "{frame:?} instead of nothing");
        }
    }

    async fn closed(&mut self) {
        while let Some(frame) = self.receive(Duration::from_secs(2)).await.expect("it should close in time") {
            assert!(self.is_ignored(&frame), "{frame:?} instead of closing");
        }
    }

    async fn app(&mut self, step: &Value) {
        let operation = text(&step["app"]);
        known(step, &["app", "as", "on", "metadata", "item", "too_long", "code", "reason", "kind"]);
        let metadata = || bytes(&step["metadata"]);
        let made = match operation {
            "open" => Some(Handle::open(self.session.clone(), metadata())),
            "call" => Some(Handle::call(self.session.clone(), metadata())),
            "accept" => {
                let incoming = timeout(PATIENCE, self.session.accept()).await.expect("a stream should come");
                let incoming = incoming.expect("no stream will come");
                assert_eq!(incoming.metadata(), &metadata());
                assert_eq!(u64::from(incoming.is_call()), number(&step["kind"]));
                Some(Handle::incoming(incoming))
            }
            "answer" => Some(Handle::reader(self.on(step).answer().await)),
            "reply" => Some(Handle::writer(self.on(step).reply(metadata()))),
            "shutdown" => {
                self.session.begin_shutdown(step.get("reason").map_or("", text));
                None
            }
            _ => {
                self.on(step).operate(operation, step);
                None
            }
        };
        if let Some(handle) = made {
            self.handles.insert(text(&step["as"]).to_owned(), handle);
        }
    }

    async fn see(&mut self, step: &Value) {
        known(step, &["see", "on", "item", "code", "reason"]);
        let outcome = timeout(PATIENCE, self.on(step).outcome()).await;
        let outcome = outcome.unwrap_or_else(|_| panic!("nothing to see: {step}"));
        let want = match text(&step["see"]) {
            "item" => Outcome::Item(bytes(&step["item"])),
            "end" => Outcome::End,
            "error" => Outcome::Error(number(&step["code"]) as u32, text(&step["reason"]).to_owned()),
            "done" => Outcome::Done,
            "lost" => Outcome::Lost,
            other => panic!("unknown outcome {other}"),
        };
        assert_eq!(outcome, want);
    }

    fn on(&mut self, step: &Value) -> &mut Handle {
        let name = text(&step["on"]);
        self.handles.get_mut(name).unwrap_or_else(|| panic!("no handle {name}"))
    }
}

/// Whether a frame has what is wanted; what is not mentioned may be anything.
fn matches(want: &Value, frame: &Frame) -> bool {
    let mut whole = want.clone();
    let map = whole.as_object_mut().expect("an object");
    let mut fill = |name: &str, value: Value| {
        map.entry(name).or_insert(value);
    };
    // The frame's own values stand in for those that are not given.
    let mut conditions = true;
    let min = |name: &str, value: u64| want.get(name).is_none_or(|least| value >= number(least));
    match frame {
        Frame::Request { items, bytes, .. } => {
            conditions = min("items_min", *items) && min("bytes_min", *bytes);
            fill("items", (*items).into());
            fill("bytes", (*bytes).into());
        }
        Frame::Fail { status, .. } | Frame::Close { status, .. } => {
            conditions = want.get("code_not").is_none_or(|not| number(not) != u64::from(status.code.0));
            fill("code", status.code.0.into());
            fill("reason", status.reason.clone().into());
        }
        _ => {}
    }
    for name in ["items_min", "bytes_min", "code_not"] {
        map.remove(name);
    }
    let kind = match frame {
        Frame::Request { .. } => "REQUEST",
        Frame::Fail { .. } => "FAIL",
        Frame::Close { .. } => "CLOSE",
        _ => {
            return !["REQUEST", "FAIL", "CLOSE"].contains(&text(&want["type"]))
                && &self::frame(want) == frame;
        }
    };
    conditions && text(&want["type"]) == kind && &self::frame(&whole) == frame
}
