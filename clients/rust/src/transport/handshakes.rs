//! Connections that shake hands before they are sessions.

use std::future::{Future, poll_fn};
use std::io;
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::session::Session;

/// A handshake takes no longer than a HELLO may.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// So many at once; further connections wait in the kernel.
const HANDSHAKES: usize = 64;

/// Each connection shakes hands in a task, so that a slow one keeps none waiting.
pub(super) struct Handshakes {
    listener: TcpListener,
    tasks: JoinSet<io::Result<Session>>,
}

impl Handshakes {
    pub fn new(listener: TcpListener) -> Handshakes {
        Handshakes { listener, tasks: JoinSet::new() }
    }

    /// The next connection whose handshake is done; others are dropped.
    pub async fn accept<F>(&mut self, shake: impl Fn(TcpStream) -> F) -> io::Result<Session>
    where
        F: Future<Output = io::Result<Session>> + Send + 'static,
    {
        poll_fn(|cx| {
            while self.tasks.len() < HANDSHAKES {
                let Poll::Ready(accepted) = self.listener.poll_accept(cx) else { break };
                let (stream, _) = accepted?;
                let _ = stream.set_nodelay(true); // if it is gone, the handshake fails
                self.tasks.spawn(in_time(shake(stream)));
            }
            while let Poll::Ready(Some(done)) = self.tasks.poll_join_next(cx) {
                if let Ok(Ok(session)) = done {
                    return Poll::Ready(Ok(session));
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// A handshake, or `TimedOut`.
pub(super) async fn in_time<T>(handshake: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(HANDSHAKE, handshake).await {
        Ok(outcome) => outcome,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
