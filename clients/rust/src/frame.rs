//! Frames as bytes: the nine types of rule 0, and the limits of rule 9.
//!
//! ```text
//!  byte  0      1      2      3      4      5      6      7      8      9 ...
//!      +------+------+------+------+------+------+------+------+------+---------+
//!      | type |          stream           |          length           | payload |
//!      +------+------+------+------+------+------+------+------+------+---------+
//! ```
//!
//! Nothing here knows any stream: [`decode`] finds what is wrong with a frame's
//! *form*, the engine finds the rest.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::error::{Code, Status};

/// The length of a frame's header.
pub const HEADER: usize = 9;
/// The longest metadata of a HELLO or an OPEN.
pub const MAX_METADATA: usize = 16 * 1024;
/// The longest reason; a sender cuts a longer one.
pub const MAX_REASON: usize = 1024;
/// The greatest `max_item` that a side may state.
pub const MAX_ITEM: u32 = 1 << 24;
/// The greatest total of credit; as a total of bytes it means "not counted".
pub const MAX_TOTAL: u64 = (1 << 53) - 1;
/// Messages are filled up to this; it is what every peer takes.
pub const MESSAGE: usize = 65_536;

const HELLO: u8 = 0;
const OPEN: u8 = 1;
const DATA: u8 = 2;
const END: u8 = 3;
const FAIL: u8 = 4;
const REQUEST: u8 = 5;
const CLOSE: u8 = 6;
const PING: u8 = 7;
const PONG: u8 = 8;
const IGNORED: u8 = 128;
const MAGIC: &[u8; 4] = b"OMNI";

/// What a side says of itself: its first frame, and its only one of this type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The highest version that it speaks.
    pub version: u8,
    /// The longest item that it accepts.
    pub max_item: u32,
    /// How many of the peer's streams may live at once, answers not counted.
    pub streams: u32,
    /// The items that each of the peer's streams may send to begin with.
    pub items: u32,
    /// The same in bytes.
    pub bytes: u32,
    /// The application's.
    pub metadata: Bytes,
}

/// What a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A stream that expects nothing back.
    OneWay,
    /// A stream that asks for an answer.
    Call,
    /// A stream that answers this call of the receiver.
    Answer(u32),
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the fields are those of SPEC.md, rule 0
pub enum Frame {
    /// Who I am and what I take.
    Hello(Hello),
    /// Here begins a stream.
    Open { stream: u32, kind: Kind, metadata: Bytes },
    /// One item.
    Data { stream: u32, item: Bytes },
    /// Complete; on 0: I shall open nothing more.
    End { stream: u32 },
    /// Broken off; on 0: the session is over.
    Fail { stream: u32, status: Status },
    /// You may have sent this much by now.
    Request { stream: u32, items: u64, bytes: u64 },
    /// I am done with it; on 0: open nothing more to me.
    Close { stream: u32, status: Status },
    /// Are you there?
    Ping([u8; 8]),
    /// Yes.
    Pong([u8; 8]),
    /// A type from 128 to 255, for experiments.
    Ignored { kind: u8, stream: u32, payload: Bytes },
}

impl Frame {
    /// The bytes that the frame takes in a message.
    pub fn size(&self) -> usize {
        HEADER + self.payload_len()
    }

    fn payload_len(&self) -> usize {
        match self {
            Frame::Hello(hello) => 21 + hello.metadata.len(),
            Frame::Open { metadata, .. } => 5 + metadata.len(),
            Frame::Data { item, .. } => item.len(),
            Frame::End { .. } => 0,
            Frame::Fail { status, .. } | Frame::Close { status, .. } => 4 + cut_reason(&status.reason).len(),
            Frame::Request { .. } => 16,
            Frame::Ping(_) | Frame::Pong(_) => 8,
            Frame::Ignored { payload, .. } => payload.len(),
        }
    }

    /// Appends the frame to a message.
    pub fn encode(&self, out: &mut BytesMut) {
        out.reserve(self.size());
        let len = self.payload_len() as u32;
        let mut header = |kind: u8, stream: u32| {
            out.put_u8(kind);
            out.put_u32(stream);
            out.put_u32(len);
        };
        match self {
            Frame::Hello(hello) => {
                header(HELLO, 0);
                out.put_slice(MAGIC);
                out.put_u8(hello.version);
                for number in [hello.max_item, hello.streams, hello.items, hello.bytes] {
                    out.put_u32(number);
                }
                out.put_slice(&hello.metadata);
            }
            Frame::Open { stream, kind, metadata } => {
                header(OPEN, *stream);
                let (kind, answers) = match kind {
                    Kind::OneWay => (0, 0),
                    Kind::Call => (1, 0),
                    Kind::Answer(call) => (2, *call),
                };
                out.put_u8(kind);
                out.put_u32(answers);
                out.put_slice(metadata);
            }
            Frame::Data { stream, item } => {
                header(DATA, *stream);
                out.put_slice(item);
            }
            Frame::End { stream } => header(END, *stream),
            Frame::Fail { stream, status } => {
                header(FAIL, *stream);
                encode_status(status, out);
            }
            Frame::Request { stream, items, bytes } => {
                header(REQUEST, *stream);
                out.put_u64(*items);
                out.put_u64(*bytes);
            }
            Frame::Close { stream, status } => {
                header(CLOSE, *stream);
                encode_status(status, out);
            }
            Frame::Ping(payload) => {
                header(PING, 0);
                out.put_slice(payload);
            }
            Frame::Pong(payload) => {
                header(PONG, 0);
                out.put_slice(payload);
            }
            Frame::Ignored { kind, stream, payload } => {
                header(*kind, *stream);
                out.put_slice(payload);
            }
        }
    }
}

fn encode_status(status: &Status, out: &mut BytesMut) {
    out.put_u32(status.code.0);
    out.put_slice(cut_reason(&status.reason).as_bytes());
}

/// The longest beginning of whole characters that fits (rule 9).
fn cut_reason(reason: &str) -> &str {
    let mut end = reason.len().min(MAX_REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

/// The greatest length of a message to a side with this `max_item`.
pub fn message_limit(max_item: u32) -> usize {
    MESSAGE.max(HEADER + max_item as usize)
}

/// Cuts the next frame off a message that is not empty. `first`: it must be
/// HELLO. `max_item` is the receiver's. The error is what FAIL on 0 will say.
///
/// The order of the checks is rule 9's: whole, HELLO if first, magic and
/// version, type, stream, length, values.
pub fn decode(message: &mut Bytes, max_item: u32, first: bool) -> Result<Frame, Status> {
    if message.len() < HEADER {
        return Err(fault(Code::PROTOCOL, "rule 0: frame is cut"));
    }
    let kind = message[0];
    let stream = u32::from_be_bytes([message[1], message[2], message[3], message[4]]);
    let len = u32::from_be_bytes([message[5], message[6], message[7], message[8]]) as usize;
    if message.len() - HEADER < len {
        return Err(fault(Code::PROTOCOL, "rule 0: frame is cut"));
    }
    message.advance(HEADER);
    let payload = message.split_to(len);
    if first && kind != HELLO {
        return Err(fault(Code::PROTOCOL, "rule 1: hello must come first"));
    }
    if kind == HELLO {
        check_magic(&payload)?;
    }
    if kind >= IGNORED {
        return Ok(Frame::Ignored { kind, stream, payload });
    }
    check_stream_and_length(kind, stream, len, max_item as usize)?;
    decode_payload(kind, stream, payload)
}

fn check_magic(payload: &Bytes) -> Result<(), Status> {
    if payload.len() >= 4 && &payload[..4] != MAGIC {
        return Err(fault(Code::VERSION, "rule 1: not this protocol"));
    }
    if payload.len() >= 5 && payload[4] == 0 {
        return Err(fault(Code::VERSION, "rule 1: bad version"));
    }
    Ok(())
}

fn check_stream_and_length(kind: u8, stream: u32, len: usize, max_item: usize) -> Result<(), Status> {
    // For each type: may it be on stream 0, on others; the payload's least and greatest length.
    let (zero, others, least, greatest) = match kind {
        HELLO => (true, false, 21, 21 + MAX_METADATA),
        OPEN => (false, true, 5, 5 + MAX_METADATA),
        DATA => (false, true, 0, max_item),
        END => (true, true, 0, 0),
        FAIL | CLOSE => (true, true, 4, 4 + MAX_REASON),
        REQUEST => (false, true, 16, 16),
        PING | PONG => (true, false, 8, 8),
        _ => return Err(fault(Code::PROTOCOL, "rule 0: unknown frame type")),
    };
    if !(if stream == 0 { zero } else { others }) {
        return Err(fault(Code::PROTOCOL, "rule 0: stream number does not suit the type"));
    }
    if len < least || (least == greatest && kind != DATA && len != least) {
        let reason = if kind == HELLO { "rule 1: bad hello" } else { "rule 0: wrong length" };
        return Err(fault(Code::PROTOCOL, reason));
    }
    if len > greatest {
        let reason = if kind == DATA { "rule 4: item too long" } else { "rule 9: too long" };
        return Err(fault(Code::TOO_LARGE, reason));
    }
    Ok(())
}

fn decode_payload(kind: u8, stream: u32, mut payload: Bytes) -> Result<Frame, Status> {
    match kind {
        HELLO => decode_hello(payload),
        OPEN => {
            let kind = match (payload.get_u8(), payload.get_u32()) {
                (0, 0) => Kind::OneWay,
                (1, 0) => Kind::Call,
                (2, call) if call != 0 => Kind::Answer(call),
                _ => return Err(fault(Code::PROTOCOL, "rule 0: bad kind or answers")),
            };
            Ok(Frame::Open { stream, kind, metadata: payload })
        }
        DATA => Ok(Frame::Data { stream, item: payload }),
        END => Ok(Frame::End { stream }),
        FAIL => Ok(Frame::Fail { stream, status: decode_status(payload) }),
        REQUEST => {
            let (items, bytes) = (payload.get_u64(), payload.get_u64());
            if items > MAX_TOTAL || bytes > MAX_TOTAL {
                return Err(fault(Code::PROTOCOL, "rule 2: total too large"));
            }
            Ok(Frame::Request { stream, items, bytes })
        }
        CLOSE => Ok(Frame::Close { stream, status: decode_status(payload) }),
        _ => {
            let mut bytes = [0; 8];
            payload.copy_to_slice(&mut bytes);
            Ok(if kind == PING { Frame::Ping(bytes) } else { Frame::Pong(bytes) })
        }
    }
}

fn decode_hello(mut payload: Bytes) -> Result<Frame, Status> {
    payload.advance(MAGIC.len());
    let hello = Hello {
        version: payload.get_u8(),
        max_item: payload.get_u32(),
        streams: payload.get_u32(),
        items: payload.get_u32(),
        bytes: payload.get_u32(),
        metadata: payload,
    };
    if hello.max_item > MAX_ITEM {
        return Err(fault(Code::PROTOCOL, "rule 1: bad hello"));
    }
    if hello.items > 0 && hello.bytes < hello.max_item {
        return Err(fault(Code::PROTOCOL, "rule 3: items without bytes"));
    }
    Ok(Frame::Hello(hello))
}

/// Bad UTF-8 is replaced, not refused (rule 9).
fn decode_status(mut payload: Bytes) -> Status {
    let code = Code(payload.get_u32());
    Status::new(code, String::from_utf8_lossy(&payload))
}

/// What FAIL on 0 says of a broken rule.
pub(crate) fn fault(code: Code, reason: &str) -> Status {
    Status::new(code, reason)
}
