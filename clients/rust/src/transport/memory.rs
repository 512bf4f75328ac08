//! A connection within the process, for tests.

use std::io;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{Ending, MessageReader, MessageWriter, RecvError};

/// The receiving half of a connection made by [`pair`].
pub struct MemoryReader(mpsc::Receiver<Bytes>);

/// The sending half of a connection made by [`pair`].
pub struct MemoryWriter(Option<mpsc::Sender<Bytes>>);

/// Two ends of a connection: what is sent at one is received at the other.
/// One message may be on its way in each direction.
pub fn pair() -> ((MemoryReader, MemoryWriter), (MemoryReader, MemoryWriter)) {
    let (to_b, from_a) = mpsc::channel(1);
    let (to_a, from_b) = mpsc::channel(1);
    ((MemoryReader(from_b), MemoryWriter(Some(to_b))), (MemoryReader(from_a), MemoryWriter(Some(to_a))))
}

impl MessageReader for MemoryReader {
    async fn recv(&mut self) -> Result<Option<Bytes>, RecvError> {
        Ok(self.0.recv().await)
    }
}

impl MessageWriter for MemoryWriter {
    async fn send(&mut self, message: Bytes) -> io::Result<()> {
        let sender = self.0.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        sender.send(message).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    async fn close(&mut self, _: Ending) {
        self.0 = None;
    }
}
