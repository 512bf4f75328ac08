//! Messages on a byte stream: each is preceded by its length, four bytes, big-endian.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::{Ending, MessageReader, MessageWriter, Progress, RecvError};
use crate::options::Options;

/// How much is read at a time, and how much memory is taken before bytes come.
const CHUNK: usize = 64 * 1024;
const LENGTH: usize = 4;

/// Takes messages from a byte stream.
pub struct ByteReader<R> {
    inner: R,
    /// What was read and not handed out yet.
    buffer: BytesMut,
    limit: usize,
    timeout: Duration,
    /// A message was bad: nothing after it can be told apart.
    dropping: bool,
    progress: Progress,
}

impl<R: AsyncRead + Unpin + Send + 'static> ByteReader<R> {
    /// `options` have the limit of a message and the time that one may take.
    pub fn new(inner: R, options: &Options) -> ByteReader<R> {
        ByteReader {
            inner,
            buffer: BytesMut::new(),
            limit: options.message_limit(),
            timeout: options.message_timeout,
            dropping: false,
            progress: Progress::new(),
        }
    }

    /// Reads once more; `false` at the end of the stream.
    async fn fill(&mut self, deadline: Option<Instant>) -> Result<bool, RecvError> {
        self.buffer.reserve(CHUNK);
        let read = self.inner.read_buf(&mut self.buffer);
        let count = match deadline {
            None => read.await?,
            Some(at) => timeout_at(at, read).await.map_err(|_| RecvError::TimedOut)??,
        };
        if count > 0 {
            self.progress.note();
        }
        Ok(count > 0)
    }
}

impl<R: AsyncRead + Unpin + Send + 'static> MessageReader for ByteReader<R> {
    async fn recv(&mut self) -> Result<Option<Bytes>, RecvError> {
        while self.dropping {
            self.buffer.clear();
            if !self.fill(None).await? {
                return Ok(None);
            }
        }
        let received = self.next_message().await;
        self.dropping = received.is_err();
        received
    }

    fn progress(&self) -> Option<Progress> {
        Some(self.progress.clone())
    }
}

impl<R: AsyncRead + Unpin + Send + 'static> ByteReader<R> {
    async fn next_message(&mut self) -> Result<Option<Bytes>, RecvError> {
        // Time runs from the first byte of a message.
        let mut deadline = None;
        let mut needed = LENGTH;
        loop {
            if self.buffer.len() >= LENGTH {
                let len = (&self.buffer[..LENGTH]).get_u32() as usize;
                if len > self.limit {
                    return Err(RecvError::TooLong);
                }
                needed = LENGTH + len;
            }
            if self.buffer.len() >= needed && self.buffer.len() >= LENGTH {
                let mut message = self.buffer.split_to(needed);
                message.advance(LENGTH);
                return Ok(Some(message.freeze()));
            }
            if deadline.is_none() && !self.buffer.is_empty() {
                deadline = Some(Instant::now() + self.timeout);
            }
            if !self.fill(deadline).await? {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                };
            }
        }
    }
}

/// Puts messages on a byte stream.
pub struct ByteWriter<W> {
    inner: W,
    progress: Progress,
}

impl<W: AsyncWrite + Unpin + Send + 'static> ByteWriter<W> {
    /// Writes to `inner`, which needs no buffer: messages are put together before.
    pub fn new(inner: W) -> ByteWriter<W> {
        ByteWriter { inner, progress: Progress::new() }
    }
}

impl<W: AsyncWrite + Unpin + Send + 'static> MessageWriter for ByteWriter<W> {
    async fn send(&mut self, message: Bytes) -> io::Result<()> {
        let length = (message.len() as u32).to_be_bytes();
        // One system call for both where the stream can do it.
        let mut both = Buf::chain(&length[..], message);
        while both.has_remaining() {
            if self.inner.write_buf(&mut both).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.progress.note();
        }
        self.inner.flush().await
    }

    fn progress(&self) -> Option<Progress> {
        Some(self.progress.clone())
    }

    async fn close(&mut self, _: Ending) {
        // What was sent is sent; if not even that is possible, dropping closes.
        let _ = self.inner.shutdown().await;
    }
}
