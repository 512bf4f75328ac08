//! What a side states in its HELLO, and its own times.

use std::time::Duration;

use bytes::Bytes;

/// How a session is set up. [`Options::default`] is good for most; change
/// single fields with `Options { streams: 16, ..Options::default() }`.
///
/// The memory that a peer can take is about `streams * window`, twice that with
/// as many answers.
#[derive(Clone, Debug)]
pub struct Options {
    /// The longest item that is accepted, in bytes, at most 16 MiB. 0: only empty ones.
    pub max_item: u32,
    /// How many of the peer's streams may live at once, answers not counted. 0: none.
    pub streams: u32,
    /// How many items each of the peer's streams may send before anybody reads it.
    pub items: u32,
    /// The same in bytes; raised to `max_item` if `items` is not 0.
    pub bytes: u32,
    /// How many items a reader lets come ahead once it has begun to read. 0: none,
    /// an item is asked for when somebody waits for it (or by [`Reader::request`]).
    ///
    /// [`Reader::request`]: crate::Reader::request
    pub prefetch: u32,
    /// The most bytes that a reader lets come ahead; raised to `max_item`.
    pub window: u32,
    /// What the peer's application may know: a name, a token; at most 16 KiB.
    pub metadata: Bytes,
    /// After this much silence the peer is asked whether it is there, and given up when
    /// it has not answered after as long again. `None`: it is never asked.
    pub keepalive: Option<Duration>,
    /// The peer's HELLO comes within this time, or the session ends.
    pub hello_timeout: Duration,
    /// A message that has begun is complete within this time, or the session ends.
    /// Byte streams only.
    pub message_timeout: Duration,
    /// The peer takes some bytes of what is sent within this time, or the session ends.
    pub write_timeout: Duration,
    /// The number of this side's first stream: a hook for tests, otherwise 1.
    #[doc(hidden)]
    pub first_stream: u32,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            max_item: 256 * 1024,
            streams: 128,
            items: 256,
            bytes: 1024 * 1024,
            prefetch: 256,
            window: 1024 * 1024,
            metadata: Bytes::new(),
            keepalive: Some(Duration::from_secs(15)),
            hello_timeout: Duration::from_secs(10),
            message_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            first_stream: 1,
        }
    }
}

impl Options {
    /// The longest message that this side accepts.
    pub(crate) fn message_limit(&self) -> usize {
        crate::frame::message_limit(self.max_item)
    }

    /// The same with the promises of the fields kept.
    ///
    /// # Panics
    /// If `max_item` or the metadata is beyond the protocol's limits.
    pub(crate) fn checked(mut self) -> Options {
        assert!(self.max_item <= crate::frame::MAX_ITEM, "max_item is at most 16 MiB");
        assert!(self.metadata.len() <= crate::frame::MAX_METADATA, "metadata is at most 16 KiB");
        self.window = self.window.max(self.max_item);
        if self.items > 0 {
            self.bytes = self.bytes.max(self.max_item);
        }
        self
    }
}
