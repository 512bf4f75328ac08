//! Codes, and what can go wrong.

use std::fmt;

/// The number that says why a stream or a session ended (rule 13).
///
/// 0 to 9 have names here, 10 to 255 are reserved and passed through, and those
/// from 256 on belong to the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub u32);

impl Code {
    /// All is well.
    pub const DONE: Code = Code(0);
    /// Somebody has had enough.
    pub const CANCELED: Code = Code(1);
    /// A rule of the protocol was broken.
    pub const PROTOCOL: Code = Code(2);
    /// Something was sent without credit, or opened without a slot.
    pub const NO_CREDIT: Code = Code(3);
    /// An item, metadata, a reason or a message is too long.
    pub const TOO_LARGE: Code = Code(4);
    /// A stream was turned down before an item of it was looked at: safe to try again.
    pub const REFUSED: Code = Code(5);
    /// The program at the other end failed.
    pub const INTERNAL: Code = Code(6);
    /// Something came too late.
    pub const TIMED_OUT: Code = Code(7);
    /// The session takes no new streams.
    pub const SHUTTING_DOWN: Code = Code(8);
    /// The other end speaks another protocol or version.
    pub const VERSION: Code = Code(9);
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 10] = [
            "done",
            "canceled",
            "protocol error",
            "no credit or slot",
            "too large",
            "refused",
            "internal",
            "timed out",
            "shutting down",
            "version",
        ];
        match NAMES.get(self.0 as usize) {
            Some(name) => f.write_str(name),
            None => write!(f, "code {}", self.0),
        }
    }
}

impl From<u32> for Code {
    fn from(number: u32) -> Code {
        Code(number)
    }
}

/// A code and the words that came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Why, as a number.
    pub code: Code,
    /// Why, in words; may be empty.
    pub reason: String,
}

impl Status {
    /// Makes a status; a reason of more than 1 KiB is cut when it is sent.
    pub fn new(code: impl Into<Code>, reason: impl Into<String>) -> Status {
        Status { code: code.into(), reason: reason.into() }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reason.is_empty() {
            write!(f, "{}", self.code)
        } else {
            // Debug quotes what a stranger wrote: no line breaks, no terminal codes.
            write!(f, "{}: {:?}", self.code, self.reason)
        }
    }
}

/// How a session was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The peer ended it with this status.
    ByPeer(Status),
    /// This side ended it: the peer broke a rule or was late, or the application gave up.
    ByUs(Status),
    /// The connection ended without goodbyes; the text is the transport's.
    Cut(String),
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::ByPeer(status) => write!(f, "ended by the peer: {status}"),
            Loss::ByUs(status) => write!(f, "ended by this side: {status}"),
            Loss::Cut(text) => write!(f, "the connection ended: {text}"),
        }
    }
}

/// Why an operation on a session or a stream failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The writer at the other end broke the stream off (FAIL).
    Failed(Status),
    /// The reader at the other end left the stream, or refused it (CLOSE); for an
    /// open that waited, no stream came to be.
    Closed(Status),
    /// The session is gone, and with it every stream that lived. What was
    /// written may or may not have arrived.
    Lost(Loss),
    /// An item, or metadata, is longer than the peer takes. Nothing was sent;
    /// the stream goes on.
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The greatest length.
        max: usize,
    },
    /// The stream was already ended, broken off or let go at this end, or the
    /// call already has its answer.
    Ended,
    /// An item is not the JSON that was asked for; the text is the parser's.
    Json(String),
}

impl Error {
    /// The code that came from the other end or goes with the session's end.
    pub fn code(&self) -> Option<Code> {
        self.status().map(|status| status.code)
    }

    /// The reason that goes with the code.
    pub fn reason(&self) -> Option<&str> {
        self.status().map(|status| status.reason.as_str())
    }

    fn status(&self) -> Option<&Status> {
        match self {
            Error::Failed(s) | Error::Closed(s) => Some(s),
            Error::Lost(Loss::ByPeer(s) | Loss::ByUs(s)) => Some(s),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Failed(status) => write!(f, "the writer failed: {status}"),
            Error::Closed(status) => write!(f, "the reader left: {status}"),
            Error::Lost(loss) => write!(f, "session lost: {loss}"),
            Error::TooLong { len, max } => write!(f, "{len} bytes are too long, the limit is {max}"),
            Error::Ended => f.write_str("the stream has already ended at this side"),
            Error::Json(text) => write!(f, "not the expected JSON: {text}"),
        }
    }
}

impl std::error::Error for Error {}
