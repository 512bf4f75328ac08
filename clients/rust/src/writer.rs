//! The writing end of a stream.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_sink::Sink;

use crate::error::{Code, Error, Status};
use crate::session::Link;

/// Writes items to a stream that this side opened: an answer, a call's questions,
/// or a one-way stream.
///
/// It waits until the reader has asked for the item, in items and in bytes, so a
/// slow reader slows it down. It is a [`Sink`] of [`Bytes`] as well; closing the
/// sink is [`end`](Writer::end).
///
/// Dropping a writer that was not ended breaks the stream off with code 1: the
/// reader gets an error and no clean end.
pub struct Writer {
    link: Arc<Link>,
    number: u32,
    /// An item that waits for credit. A sink must promise room before it knows
    /// the item's length, so one item is kept here.
    item: Option<Bytes>,
}

impl Writer {
    pub(crate) fn new(link: Arc<Link>, number: u32) -> Writer {
        Writer { link, number, item: None }
    }

    /// Writes one item; waits until the reader has asked for it and the
    /// transport has room.
    ///
    /// Dropping the future before it is done writes nothing.
    ///
    /// # Errors
    /// [`Error::TooLong`]: the peer does not take items of this length, and the
    /// stream goes on. [`Error::Closed`]: the reader has had enough, with code and
    /// reason. [`Error::Ended`], [`Error::Lost`].
    pub async fn send(&mut self, item: impl Into<Bytes>) -> Result<(), Error> {
        let item = item.into();
        self.written().await?;
        poll_fn(|cx| self.poll_write(&item, cx)).await
    }

    /// Ends the stream well: after all items, and needing no credit. Waits only
    /// for an item that was fed to the [`Sink`] and not flushed.
    ///
    /// # Errors
    /// Those of [`send`](Writer::send), when such an item cannot be written.
    pub async fn end(&mut self) -> Result<(), Error> {
        self.written().await?;
        self.link.with(|engine| engine.end(self.number));
        Ok(())
    }

    /// Breaks the stream off: the reader gets the items written so far, and then
    /// this code and reason as an error. Does nothing after the end.
    ///
    /// On a call this gives up the answer too, unless it was already received.
    pub fn fail(&mut self, code: impl Into<Code>, reason: &str) {
        self.item = None;
        let status = Status::new(code, reason);
        self.link.with(|engine| engine.fail(self.number, status));
    }

    /// Waits until the reader is done: `Ok` says that it took every item and came
    /// to the end. May be called before the end, to learn of a cancel.
    ///
    /// A call's reader is done only when it has answered as well.
    ///
    /// # Errors
    /// [`Error::Closed`] with the reader's code and reason, [`Error::Lost`].
    pub async fn closed(&mut self) -> Result<(), Error> {
        poll_fn(|cx| {
            let outcome = self.link.with(|engine| engine.poll_receipt(self.number, cx.waker()));
            outcome.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// [`end`](Writer::end), then [`closed`](Writer::closed): everything was taken.
    ///
    /// # Errors
    /// Those of both.
    pub async fn finish(&mut self) -> Result<(), Error> {
        self.end().await?;
        self.closed().await
    }

    pub(crate) fn poll_demand(&mut self, cx: &mut Context<'_>) -> u64 {
        self.link.with(|engine| engine.demand(self.number, cx.waker()))
    }

    /// An error if the item can never be written.
    fn check(&self, item: &Bytes) -> Result<(), Error> {
        self.link.with(|engine| engine.check_item(self.number, item.len()))
    }

    async fn written(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_written(cx)).await
    }

    /// Until the item that was kept is written.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Some(item) = &self.item else { return Poll::Ready(Ok(())) };
        let outcome = ready!(self.poll_write(item, cx));
        self.item = None;
        Poll::Ready(outcome)
    }

    fn poll_write(&self, item: &Bytes, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match self.link.with(|engine| engine.write(self.number, item, cx.waker())) {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl Sink<Bytes> for Writer {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_written(cx))?;
        // Whoever feeds a stream that its reader has left learns it here.
        Poll::Ready(self.check(&Bytes::new()))
    }

    fn start_send(mut self: Pin<&mut Self>, item: Bytes) -> Result<(), Error> {
        assert!(self.item.is_none(), "start_send without poll_ready");
        self.check(&item)?;
        self.item = Some(item);
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_written(cx))?;
        match self.link.with(|engine| engine.poll_given(self.number, cx.waker())) {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_written(cx))?;
        self.link.with(|engine| engine.end(self.number));
        self.poll_flush(cx)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.link.with(|engine| engine.drop_writer(self.number));
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("stream", &self.number).finish_non_exhaustive()
    }
}
