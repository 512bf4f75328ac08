//! From a reader to a writer.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_sink::Sink;

use crate::error::{Code, Error, Loss};
use crate::reader::Reader;
use crate::writer::Writer;

/// Passes on all there is: what the writer's other end asks for to the reader's,
/// items and the end the other way, a failure or a cancel with its code and
/// reason either way. Returns when the stream has ended and everything written
/// was handed to the transport.
///
/// With [`Options::prefetch`](crate::Options::prefetch) 0 exactly as much is asked
/// for as the other end asks for.
///
/// # Errors
/// What ended the stream, if not its clean end.
pub async fn pipe(mut reader: Reader, mut writer: Writer) -> Result<(), Error> {
    let mut at_end = false;
    let outcome = poll_fn(|cx| poll_pipe(&mut reader, &mut writer, &mut at_end, cx)).await;
    match &outcome {
        Ok(()) => {}
        // It came from the writer's side: the reader's opener learns it.
        Err(Error::Closed(status)) => reader.cancel(status.code, &status.reason),
        // It came from the reader's side.
        Err(Error::Failed(status)) => writer.fail(status.code, &status.reason),
        Err(Error::Lost(Loss::ByPeer(s) | Loss::ByUs(s))) => {
            // The two may belong to two sessions, of which one is well.
            reader.cancel(Code::INTERNAL, &s.reason);
            writer.fail(Code::INTERNAL, &s.reason);
        }
        Err(error) => {
            let reason = error.to_string();
            reader.cancel(Code::INTERNAL, &reason);
            writer.fail(Code::INTERNAL, &reason);
        }
    }
    outcome
}

fn poll_pipe(
    reader: &mut Reader,
    writer: &mut Writer,
    at_end: &mut bool,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Error>> {
    while !*at_end {
        reader.request(writer.poll_demand(cx));
        // Pending: an item waits for credit. An error: the writer's reader has left.
        ready!(Pin::new(&mut *writer).poll_ready(cx))?;
        match ready!(reader.poll_item(false, cx)) {
            Some(item) => Pin::new(&mut *writer).start_send(item?)?,
            None => *at_end = true,
        }
    }
    Pin::new(writer).poll_close(cx)
}
