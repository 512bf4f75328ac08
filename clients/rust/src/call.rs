//! The caller's end of a call.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::error::{Code, Error};
use crate::reader::Reader;
use crate::session::Link;
use crate::writer::Writer;

/// A call that was opened: the questions go out by `writer`, and `answer` is
/// where the answers come from. The two are independent; a program that may write
/// more than the other side takes unanswered uses them in two tasks.
#[derive(Debug)]
pub struct Call {
    /// The questions.
    pub writer: Writer,
    /// The wait for the stream of answers.
    pub answer: Answer,
}

impl Call {
    /// Gives up: the questions are broken off with this code and reason, and an
    /// answer that may come is closed at once.
    pub fn cancel(mut self, code: impl Into<Code>, reason: &str) {
        self.writer.fail(code, reason);
    }
}

/// The wait for a call's answer: a future, to be awaited once.
///
/// # Errors
/// [`Error::Closed`]: no answer will come, with code and reason ([`Code::REFUSED`]:
/// nothing was looked at, so it is safe to try again). [`Error::Ended`]: this side
/// has given up the call, or has the answer already. [`Error::Lost`].
///
/// Dropping it gives up the answer, not the questions.
pub struct Answer {
    link: Arc<Link>,
    call: u32,
}

impl Answer {
    pub(crate) fn new(link: Arc<Link>, call: u32) -> Answer {
        Answer { link, call }
    }
}

impl Future for Answer {
    type Output = Result<Reader, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.link.with(|engine| engine.poll_answer(self.call, cx.waker())) {
            Some(Ok(answer)) => Poll::Ready(Ok(Reader::new(self.link.clone(), answer.0, answer.1))),
            Some(Err(error)) => Poll::Ready(Err(error)),
            None => Poll::Pending,
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.link.with(|engine| engine.drop_answer(self.call));
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("call", &self.call).finish_non_exhaustive()
    }
}
