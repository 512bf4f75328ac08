//! Transports: what carries whole messages, in order.
//!
//! A session needs the two halves of a connection, a [`MessageReader`] and a
//! [`MessageWriter`]. This module has them for byte streams ([`ByteReader`],
//! [`ByteWriter`]: TCP, Unix sockets, pipes, TLS), in memory ([`pair`]) and, with the
//! feature `websocket`, for WebSocket.

mod bytestream;
#[cfg(any(feature = "websocket", feature = "tls"))]
mod handshakes;
mod memory;
mod progress;
#[cfg(feature = "tls")]
mod tls;
mod url;
#[cfg(feature = "websocket")]
mod watched;
#[cfg(feature = "websocket")]
mod websocket;

use std::future::Future;
use std::io;

use bytes::Bytes;

pub use bytestream::{ByteReader, ByteWriter};
pub use memory::{MemoryReader, MemoryWriter, pair};
pub use progress::Progress;
#[cfg(feature = "tls")]
pub use tls::connect_tls;
#[cfg(feature = "tls")]
pub use tokio_rustls::rustls;
pub use url::{Listener, connect};
#[cfg(feature = "websocket")]
pub use websocket::{WsReader, WsWriter, accept_websocket, connect_websocket};

/// Why no message comes.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecvError {
    /// The connection broke, or ended inside a message.
    Io(io::Error),
    /// A message is longer than the limit; found before memory is taken for it.
    TooLong,
    /// A message has begun and does not come to its end.
    TimedOut,
    /// A WebSocket message is text.
    Text,
}

impl From<io::Error> for RecvError {
    fn from(error: io::Error) -> RecvError {
        RecvError::Io(error)
    }
}

/// How a session ended, for transports that tell the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In whatever way, but nobody broke a rule. WebSocket: 1000.
    Normal,
    /// The peer broke a rule. WebSocket: 1002.
    ProtocolError,
    /// The peer sent text. WebSocket: 1003.
    Text,
}

/// The receiving half of a connection.
pub trait MessageReader: Send + 'static {
    /// The next message, empty ones too; `None`: the connection has ended.
    ///
    /// It is dropped while it waits only when the session is over. After `TooLong` or
    /// `TimedOut` it is called again: then it reads and drops what comes until the
    /// connection ends. After `None` and other errors it is not.
    fn recv(&mut self) -> impl Future<Output = Result<Option<Bytes>, RecvError>> + Send;

    /// Where it notes that bytes came, whole messages or not: they are a sign of life.
    /// It is asked once, at the session's start. `None`: only messages are seen.
    fn progress(&self) -> Option<Progress> {
        None
    }
}

/// The sending half of a connection.
pub trait MessageWriter: Send + 'static {
    /// Sends one message, and returns once the transport has taken all of it.
    fn send(&mut self, message: Bytes) -> impl Future<Output = io::Result<()>> + Send;

    /// Where it notes that the transport took bytes of a message. It is asked once, at
    /// the session's start. `None`: only whole messages are seen.
    fn progress(&self) -> Option<Progress> {
        None
    }

    /// Says that nothing more comes. The session waits a second for it at most
    /// and then drops both halves, which closes the connection.
    fn close(&mut self, ending: Ending) -> impl Future<Output = ()> + Send;
}
