//! The reading end of a stream.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::{FusedStream, Stream};

use crate::engine::Read;
use crate::error::{Code, Error, Status};
use crate::session::Link;

/// Reads the items of a stream that the peer opened.
///
/// It is a [`Stream`] of `Result<Bytes, Error>`: `None` is the clean end and
/// nothing else is; an error is the last thing that it yields. Reading is what
/// asks the peer for more, so a reader that stops reading stops the peer.
///
/// Dropping a reader before the end cancels the stream with code 1.
pub struct Reader {
    link: Arc<Link>,
    number: u32,
    metadata: Bytes,
    /// The end or the error was handed out.
    done: bool,
}

impl Reader {
    pub(crate) fn new(link: Arc<Link>, number: u32, metadata: Bytes) -> Reader {
        Reader { link, number, metadata, done: false }
    }

    /// What the stream's opener said of it: of an answer, what its sender gave to
    /// [`Incoming::reply`](crate::Incoming::reply). At most 16 KiB; it stays after the end.
    pub fn metadata(&self) -> &Bytes {
        &self.metadata
    }

    /// The next item; `None` at the clean end. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Error::Failed`] with the writer's code and reason, [`Error::Lost`]. After
    /// an error comes `None`.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// All that still comes, joined.
    ///
    /// # Errors
    /// Those of [`next`](Reader::next), and [`Error::TooLong`] once there are more
    /// than `limit` bytes; the stream is then at the item after.
    pub async fn read_to_end(&mut self, limit: usize) -> Result<Bytes, Error> {
        let mut all = BytesMut::new();
        while let Some(item) = self.next().await {
            let item = item?;
            let len = all.len() + item.len();
            if len > limit {
                return Err(Error::TooLong { len, max: limit });
            }
            all.extend_from_slice(&item);
        }
        Ok(all.freeze())
    }

    /// Lets the peer send so many items in total, counted from the stream's
    /// beginning, without waiting for a reader to want them. Smaller totals
    /// than before change nothing. The peer is let do so in steps, of 65,536 items
    /// ahead of those taken at most and of [`Options::window`](crate::Options::window) bytes.
    pub fn request(&mut self, total: u64) {
        self.link.with(|engine| engine.want(self.number, total));
    }

    /// Has had enough: the writer learns this code and reason, and what is on its
    /// way is dropped. Code 0 is for the end and becomes 1, canceled. Does
    /// nothing after the end.
    pub fn cancel(&mut self, code: impl Into<Code>, reason: &str) {
        let status = Status::new(code, reason);
        self.link.with(|engine| engine.leave(self.number, status));
    }

    /// `ask`: a wait asks for one item more.
    pub(crate) fn poll_item(
        &mut self,
        ask: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let outcome = match self.link.with(|engine| engine.read(self.number, ask, cx.waker())) {
            Read::Item(item) => return Poll::Ready(Some(Ok(item))),
            Read::Wait => return Poll::Pending,
            Read::End => None,
            Read::Error(error) => Some(Err(error)),
        };
        self.done = true;
        Poll::Ready(outcome)
    }
}

impl Stream for Reader {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_item(true, cx)
    }
}

impl FusedStream for Reader {
    fn is_terminated(&self) -> bool {
        self.done
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.link.with(|engine| engine.drop_reader(self.number));
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("stream", &self.number).finish_non_exhaustive()
    }
}
