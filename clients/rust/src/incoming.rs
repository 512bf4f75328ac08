//! A stream or call that the peer has opened.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Code, Error, Status};
use crate::reader::Reader;
use crate::session::Link;
use crate::writer::Writer;

/// What [`Session::accept`](crate::Session::accept) yields.
///
/// Its slot is taken until it was read to the end, canceled or refused; a call's
/// until its answer has ended as well. Dropping it refuses or cancels it.
pub struct Incoming {
    link: Arc<Link>,
    number: u32,
    is_call: bool,
    reader: Reader,
}

impl Incoming {
    pub(crate) fn new(link: Arc<Link>, number: u32) -> Incoming {
        let (is_call, metadata) = link.with(|engine| engine.describe(number));
        let reader = Reader::new(link.clone(), number, metadata);
        Incoming { link, number, is_call, reader }
    }

    /// Whether an answer is expected.
    pub fn is_call(&self) -> bool {
        self.is_call
    }

    /// What its opener said of it.
    pub fn metadata(&self) -> &Bytes {
        self.reader.metadata()
    }

    /// Its items; they may be read before and after [`reply`](Incoming::reply).
    pub fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    /// Its items, when the rest is not needed any more. A call that was not
    /// answered can then not be answered any more.
    pub fn into_reader(self) -> Reader {
        self.reader
    }

    /// Opens the answer to a call.
    ///
    /// # Errors
    /// [`Error::Ended`] for a one-way stream, a call that has its answer, or one that
    /// was canceled here; [`Error::TooLong`] for metadata of more than 16 KiB;
    /// [`Error::Lost`].
    pub fn reply(&mut self, metadata: impl Into<Bytes>) -> Result<Writer, Error> {
        let metadata = metadata.into();
        let number = self.link.with(|engine| engine.reply(self.number, metadata))?;
        Ok(Writer::new(self.link.clone(), number))
    }

    /// Turns it down, code 5: to be done before an item was read, and then the
    /// peer may safely try again.
    pub fn refuse(self, reason: &str) {
        self.close(Code::REFUSED, reason);
    }

    /// Lets go of it with another code, items read or not: a call gets no answer.
    pub fn close(self, code: impl Into<Code>, reason: &str) {
        let status = Status::new(code, reason);
        self.link.with(|engine| engine.leave(self.number, status));
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("stream", &self.number)
            .field("is_call", &self.is_call)
            .field("metadata", self.metadata())
            .finish_non_exhaustive()
    }
}
